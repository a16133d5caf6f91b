package testmodel

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/bundle"
)

func TestNew(t *testing.T) {
	prints := map[string]bool{}
	for _, o := range []Options{{}, {Seed: 1}, {Precomputed: true}, {Precomputed: true, RegionDim: 5}, {Released: true}} {
		b, err := bundle.Open(New(t, o))
		require.NoError(t, err)
		require.NoError(t, b.Verify(t.Context()))
		again, err := bundle.Open(New(t, o))
		require.NoError(t, err)
		assert.Equal(t, b.Fingerprint(), again.Fingerprint())
		prints[b.Fingerprint()] = true
	}
	assert.Len(t, prints, 5)
}
