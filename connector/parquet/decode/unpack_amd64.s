#include "textflag.h"

// func unpackGroups(out *uint32, in *byte, groups, width int, p *plan)
//
//	DI output   SI input   CX groups left   AX width in bits, which is a group's bytes
//	R8 where the upper four numbers begin   Y1 shuffle   Y2 shifts   Y3 mask
TEXT ·unpackGroups(SB), NOSPLIT, $0-40
	MOVQ out+0(FP), DI
	MOVQ in+8(FP), SI
	MOVQ groups+16(FP), CX
	MOVQ width+24(FP), AX
	MOVQ p+32(FP), BX
	MOVQ AX, R8
	SHRQ $1, R8
	VMOVDQU (BX), Y1
	VMOVDQU 32(BX), Y2
	VMOVDQU 64(BX), Y3

loop:
	VMOVDQU     (SI), X0
	VINSERTI128 $1, (SI)(R8*1), Y0, Y0
	VPSHUFB     Y1, Y0, Y0
	VPSRLVD     Y2, Y0, Y0
	VPAND       Y3, Y0, Y0
	VMOVDQU     Y0, (DI)
	ADDQ        AX, SI
	ADDQ        $32, DI
	DECQ        CX
	JNZ         loop
	VZEROUPPER
	RET
