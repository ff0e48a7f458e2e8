#include "textflag.h"

// func fast(dst, src []byte, d, s int) (int, int)
//
//	SI next element   R8 where to stop   DI next output   R9 where to stop   R10 output's front
//
// Of an element, AX is the tag, BX the distance, CX the kind, DX the length, R13
// the advance and R14 what is copied from. A literal is given its length as
// distance, so that one comparison serves both kinds. The next tag is loaded from
// both places where it may be before the kind is known.
TEXT ·fast(SB), NOSPLIT, $0-80
	MOVQ dst_base+0(FP), R10
	MOVQ dst_cap+16(FP), R9
	MOVQ dst_len+8(FP), AX
	SUBQ $96, R9
	CMPQ AX, R9
	CMOVQLT AX, R9
	ADDQ R10, R9
	MOVQ d+48(FP), DI
	ADDQ R10, DI
	MOVQ src_base+24(FP), SI
	MOVQ src_len+32(FP), R8
	LEAQ -72(SI)(R8*1), R8
	ADDQ s+56(FP), SI
	LEAQ ·table(SB), R11
	CMPQ SI, R8
	JGE  done
	MOVBLZX (SI), AX

loop:
	CMPQ SI, R8
	JGE  done
	CMPQ DI, R9
	JGE  done
	MOVQ    (R11)(AX*8), R14
	MOVL    1(SI), BX
	MOVBLZX R14, DX
	SHRQ    $32, R14
	MOVWLZX R14, R13
	SHRL    $16, R14
	ANDL    R13, BX
	ADDL    R14, BX
	MOVQ    DI, R14
	SUBQ    BX, R14
	LEAQ    1(SI), R13
	MOVL    AX, R12
	SHRL    $2, R12
	MOVL    AX, CX
	MOVBLZX 2(SI)(R12*1), R15
	ANDL    $3, CX
	MOVBLZX 1(SI)(CX*1), AX
	CMOVLEQ R15, AX
	CMOVQEQ R13, R14
	CMOVQEQ DX, BX
	LEAL    2(R12), R12
	LEAL    1(CX), R13
	CMOVLEQ R12, R13
	TESTL   DX, DX
	JEQ     rare
	MOVQ    DI, R15
	SUBQ    R10, R15
	CMPQ    BX, R15
	JGT     early
	CMPQ    BX, DX
	JLT     overlap

copy:
	MOVOU (R14), X0
	MOVOU X0, (DI)
	ADDQ  R13, SI
	CMPL  DX, $16
	JGT   more
	ADDQ  DX, DI
	JMP   loop

more:
	MOVOU 16(R14), X0
	MOVOU 32(R14), X1
	MOVOU 48(R14), X2
	MOVOU X0, 16(DI)
	MOVOU X1, 32(DI)
	MOVOU X2, 48(DI)
	ADDQ  DX, DI
	JMP   loop

	// Not in the table: a copy with a distance of four bytes, or a long literal. R12
	// is the tag's upper six bits and two more.
rare:
	CMPL    CX, $3
	JNE     done
	LEAL    -1(R12), DX
	MOVL    1(SI), BX
	MOVBLZX 5(SI), AX
	MOVQ    DI, R14
	SUBQ    BX, R14
	MOVL    $5, R13
	MOVQ    DI, R15
	SUBQ    R10, R15
	CMPQ    BX, R15
	JGT     done
	CMPQ    BX, DX
	JLT     overlap
	JMP     copy

	// Further back than the output's front: fine for a literal, damage for a copy.
early:
	TESTL CX, CX
	JEQ   copy
	JMP   done

	// A copy that repeats what it writes: word by word, or, from a distance
	// shorter than a word, a word made of repetitions.
overlap:
	TESTQ BX, BX
	JEQ   done
	ADDQ  R13, SI
	MOVQ  DI, R13
	ADDQ  DX, DI
	MOVQ  (R14), R12
	CMPQ  BX, $8
	JLT   repeat

words:
	MOVQ R12, (R13)
	ADDQ $8, R14
	ADDQ $8, R13
	CMPQ R13, DI
	JGE  loop
	MOVQ (R14), R12
	JMP  words

repeat:
	LEAQ  ·patterns(SB), R15
	LEAQ  (BX)(BX*2), BX
	ANDQ  (R15)(BX*8), R12
	IMULQ 8(R15)(BX*8), R12
	MOVQ  16(R15)(BX*8), R15

repeated:
	MOVQ R12, (R13)
	ADDQ R15, R13
	CMPQ R13, DI
	JLT  repeated
	JMP  loop

done:
	SUBQ R10, DI
	MOVQ DI, ret+64(FP)
	SUBQ src_base+24(FP), SI
	MOVQ SI, ret1+72(FP)
	RET
