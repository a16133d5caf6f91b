package model

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/testmodel"
)

// A model.json that describes a network which nobody has is refused before anything is made of it.
func TestLoadChecksTheNetwork(t *testing.T) {
	dir := testmodel.New(t, testmodel.Options{})
	path := filepath.Join(dir, bundle.ManifestFile)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	var man map[string]any
	require.NoError(t, json.Unmarshal(b, &man))
	net := nn.Config{Layers: 1, Hidden: 8, Heads: 2, FF: 4, Vocab: 9, MaxPositions: 9, Types: 2, RegionDim: 3, MatchLayers: 1, MatchHeads: 4, MatchFF: 8, Alignment: "MrSw"}
	load := func() error {
		man["network"] = net
		b, err := json.Marshal(man)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, b, 0o600))
		_, err = Load(dir)
		return err
	}
	require.NotErrorIs(t, load(), nn.ErrConfig)
	net.Vocab = 1_000_000_000
	err = load()
	require.ErrorIs(t, err, nn.ErrConfig)
	require.ErrorContains(t, err, "model.json: network: ")
}
