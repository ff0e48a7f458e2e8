#include "textflag.h"

// EACH fills a register with one byte.
#define EACH(arg, r) \
	MOVBLZX arg, AX; \
	MOVL AX, r; \
	PUNPCKLBW r, r; \
	PUNPCKLWL r, r; \
	PSHUFL $0, r, r

// QUARTER compares 16 bytes and leaves the bits of the separators in BX, those of
// the line breaks in CX.
#define QUARTER(off) \
	MOVOU off(SI), X0; \
	MOVO X0, X1; \
	MOVO X0, X2; \
	PCMPEQB X8, X0; \
	PCMPEQB X9, X1; \
	PCMPEQB X10, X2; \
	POR X2, X1; \
	PMOVMSKB X0, BX; \
	PMOVMSKB X1, CX

// func mark(marks *[128]uint64, t []byte, sep, stopA, stopB byte)
//
//	SI text   R8 its end   DI marks   R9 separators   R10 line breaks
TEXT ·mark(SB), NOSPLIT, $0-35
	MOVQ marks+0(FP), DI
	MOVQ t_base+8(FP), SI
	MOVQ t_len+16(FP), R8
	ADDQ SI, R8
	EACH(sep+32(FP), X8)
	EACH(stopA+33(FP), X9)
	EACH(stopB+34(FP), X10)
	JMP  check

loop:
	QUARTER(0)
	MOVQ BX, R9
	MOVQ CX, R10
	QUARTER(16)
	SHLQ $16, BX
	SHLQ $16, CX
	ORQ  BX, R9
	ORQ  CX, R10
	QUARTER(32)
	SHLQ $32, BX
	SHLQ $32, CX
	ORQ  BX, R9
	ORQ  CX, R10
	QUARTER(48)
	SHLQ $48, BX
	SHLQ $48, CX
	ORQ  BX, R9
	ORQ  CX, R10
	MOVQ R9, (DI)
	MOVQ R10, 8(DI)
	ADDQ $16, DI
	ADDQ $64, SI

check:
	CMPQ SI, R8
	JLT  loop
	RET
