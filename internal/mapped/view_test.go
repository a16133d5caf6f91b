package mapped

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestView(t *testing.T) {
	b := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9}
	require.Equal(t, []uint16{0x0201, 0x0403, 0x0605, 0x0807}, View[uint16](b))
	require.Equal(t, []uint32{0x05040302, 0x09080706}, View[uint32](b[1:]))
	defer func(v bool) { nativeLittle = v }(nativeLittle)
	nativeLittle = false
	require.Equal(t, []uint64{0x0807060504030201}, View[uint64](b))
	require.Equal(t, b[:8], Bytes([]uint64{0x0807060504030201}))
	require.Equal(t, []float32{1.5}, View[float32](Bytes([]float32{1.5})))
}
