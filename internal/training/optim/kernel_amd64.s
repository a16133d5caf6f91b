//go:build !noasm

#include "textflag.h"

// func adamAVX2(p, grad, m, v *float32, n int, s *step)
TEXT ·adamAVX2(SB), NOSPLIT, $0-48
	MOVQ         p+0(FP), AX
	MOVQ         grad+8(FP), BX
	MOVQ         m+16(FP), SI
	MOVQ         v+24(FP), DI
	MOVQ         n+32(FP), DX
	MOVQ         s+40(FP), CX
	VBROADCASTSS 0(CX), Y6   // b1
	VBROADCASTSS 4(CX), Y7   // 1−b1
	VBROADCASTSS 8(CX), Y8   // b2
	VBROADCASTSS 12(CX), Y9  // 1−b2
	VBROADCASTSS 16(CX), Y10 // scale
	VBROADCASTSS 20(CX), Y11 // decay
	VBROADCASTSS 24(CX), Y12 // keep
	VBROADCASTSS 28(CX), Y13 // lr
	VBROADCASTSS 32(CX), Y14 // root
	VBROADCASTSS 36(CX), Y15 // eps
	XORQ         R8, R8

eight:
	VMOVUPS (AX)(R8*4), Y0
	VMULPS  (BX)(R8*4), Y10, Y1
	VMULPS  Y0, Y11, Y2
	VADDPS  Y2, Y1, Y1           // d
	VMULPS  (SI)(R8*4), Y6, Y2
	VMULPS  Y1, Y7, Y3
	VADDPS  Y3, Y2, Y2           // the first moment
	VMOVUPS Y2, (SI)(R8*4)
	VMULPS  (DI)(R8*4), Y8, Y3
	VMULPS  Y1, Y9, Y4
	VMULPS  Y1, Y4, Y4
	VADDPS  Y4, Y3, Y3           // the second
	VMOVUPS Y3, (DI)(R8*4)
	VSQRTPS Y3, Y3
	VMULPS  Y14, Y3, Y3
	VADDPS  Y15, Y3, Y3
	VMULPS  Y13, Y2, Y2
	VDIVPS  Y3, Y2, Y2
	VMULPS  Y12, Y0, Y0
	VSUBPS  Y2, Y0, Y0
	VMOVUPS Y0, (AX)(R8*4)
	ADDQ    $8, R8
	CMPQ    R8, DX
	JLT     eight
	VZEROUPPER
	RET

// func squaresAVX2(grad *float32, n int, sums *[8]float64)
TEXT ·squaresAVX2(SB), NOSPLIT, $0-24
	MOVQ    grad+0(FP), BX
	MOVQ    n+8(FP), DX
	MOVQ    sums+16(FP), CX
	VMOVUPD (CX), Y0
	VMOVUPD 32(CX), Y1
	XORQ    R8, R8

eight:
	VCVTPS2PD (BX)(R8*4), Y2
	VCVTPS2PD 16(BX)(R8*4), Y3
	VMULPD    Y2, Y2, Y2
	VMULPD    Y3, Y3, Y3
	VADDPD    Y2, Y0, Y0
	VADDPD    Y3, Y1, Y1
	ADDQ      $8, R8
	CMPQ      R8, DX
	JLT       eight
	VMOVUPD   Y0, (CX)
	VMOVUPD   Y1, 32(CX)
	VZEROUPPER
	RET
