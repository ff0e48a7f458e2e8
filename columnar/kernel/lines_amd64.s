#include "textflag.h"

// PAIR gathers two values of 8 bytes.
#define PAIR(off, x) \
	MOVWLZX off(BX), AX; \
	MOVWLZX (off+2)(BX), DX; \
	MOVQ (SI)(AX*8), x; \
	MOVHPD (SI)(DX*8), x

// FOUR gathers four values of 4 bytes.
#define FOUR(off, x) \
	MOVWLZX off(BX), AX; \
	MOVWLZX (off+2)(BX), DX; \
	MOVL (SI)(AX*4), x; \
	MOVL (SI)(DX*4), X4; \
	MOVWLZX (off+4)(BX), AX; \
	MOVWLZX (off+6)(BX), DX; \
	MOVL (SI)(AX*4), X5; \
	MOVL (SI)(DX*4), X6; \
	PUNPCKLLQ X4, x; \
	PUNPCKLLQ X6, X5; \
	PUNPCKLQDQ X5, x

// LINE8 and LINE4 gather a line.
#define LINE8 \
	PAIR(0, X0); \
	PAIR(4, X1); \
	PAIR(8, X2); \
	PAIR(12, X3)

#define LINE4 \
	FOUR(0, X0); \
	FOUR(8, X1); \
	FOUR(16, X2); \
	FOUR(24, X3)

// STORE has a line wait at r.
#define STORE(r) \
	MOVOU X0, (r); \
	MOVOU X1, 16(r); \
	MOVOU X2, 32(r); \
	MOVOU X3, 48(r)

// WRITE writes a line past the caches, and fetches what comes next.
#define WRITE \
	MOVNTO X0, (DI); \
	MOVNTO X1, 16(DI); \
	MOVNTO X2, 32(DI); \
	MOVNTO X3, 48(DI); \
	ADDQ $64, DI; \
	PREFETCHT0 (R10); \
	ADDQ R11, R10

// STROKES is the loop over strokes: values of a line, 1 << shift bytes each. It always
// gathers a line, whatever it needs of it, so that few jumps are guessed wrong.
//
//	R8 strokes   R9 how many   SI column   R10 ahead   R11 step
//	DI slot   R12 where the line waits   BX rows   R13 values that wait   CX rows left
#define STROKES(values, shift, gather) \
	MOVQ strokes+0(FP), R8; \
	MOVQ n+8(FP), R9; \
	MOVQ src+16(FP), SI; \
	MOVQ ahead+24(FP), R10; \
	MOVQ step+32(FP), R11; \
stroke: \
	MOVQ 0(R8), DI; \
	MOVQ 8(R8), R12; \
	MOVQ 16(R8), BX; \
	MOVLQZX 24(R8), R13; \
	MOVLQZX 28(R8), CX; \
	ADDQ $32, R8; \
	gather; \
	MOVQ R13, AX; \
	SHLQ $shift, AX; \
	ADDQ R12, AX; \
	STORE(AX); \
	ADDQ R13, CX; \
	CMPQ CX, $values; \
	JLT  done; \
	MOVOU (R12), X0; \
	MOVOU 16(R12), X1; \
	MOVOU 32(R12), X2; \
	MOVOU 48(R12), X3; \
	WRITE; \
	NEGQ R13; \
	LEAQ (2*values)(BX)(R13*2), BX; \
	SUBQ $values, CX; \
	JMP  check; \
line: \
	gather; \
	WRITE; \
	ADDQ $(2*values), BX; \
	SUBQ $values, CX; \
check: \
	CMPQ CX, $values; \
	JGE  line; \
	gather; \
	STORE(R12); \
done: \
	DECQ R9; \
	JNZ  stroke; \
	RET

// func addStrokes8(strokes *stroke, n int, src, ahead unsafe.Pointer, step int)
TEXT ·addStrokes8(SB), NOSPLIT, $0-40
	STROKES(8, 3, LINE8)

// func addStrokes4(strokes *stroke, n int, src, ahead unsafe.Pointer, step int)
TEXT ·addStrokes4(SB), NOSPLIT, $0-40
	STROKES(16, 2, LINE4)

// func fence()
TEXT ·fence(SB), NOSPLIT, $0-0
	SFENCE
	RET
