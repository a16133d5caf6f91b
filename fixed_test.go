package aladin

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// A graph cannot ask for more memory by its inputs' shapes than a batch is worth.
func TestFixed(t *testing.T) {
	for _, c := range []struct {
		shape []int64
		axis  int
		want  int
	}{
		{nil, 0, 7}, {[]int64{-1, 77}, 0, 7}, {[]int64{0}, 0, 7}, {[]int64{1}, 1, 7},
		{[]int64{-1, 77}, 1, 77}, {[]int64{16}, 0, 16}, {[]int64{math.MaxInt64}, 0, 100},
	} {
		require.Equal(t, c.want, fixed(c.shape, c.axis, 100, 7), "%v, axis %d", c.shape, c.axis)
	}
}
