package step

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/training/config"
)

// Masks of dropout have the rate that was asked for, keep the mean, and do not depend on the batch's size.
func TestDropoutPool(t *testing.T) {
	cfg := config.Default()
	d := newDropouts(nil, &cfg)
	small := append([]float32(nil), d.pool("hidden", 1000)...)
	large := d.pool("hidden", 100000)
	require.Equal(t, small, large[:1000])
	zero, sum := 0, 0.0
	for _, x := range large {
		if x == 0 {
			zero++
		}
		sum += float64(x)
	}
	require.InDelta(t, 0.1, float64(zero)/100000, 0.005)
	require.InDelta(t, 1, sum/100000, 0.005)
	require.NotEqual(t, small, d.pool("attention", 1000)[:1000])
}
