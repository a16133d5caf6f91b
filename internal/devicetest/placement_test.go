package devicetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/testmodel"
)

func TestPlacement(t *testing.T) {
	b, err := bundle.Open(testmodel.New(t, testmodel.Options{}))
	require.NoError(t, err)
	for _, name := range []string{bundle.TextFile, bundle.ImageFile, bundle.AlignFile} {
		path, err := b.Path(name)
		require.NoError(t, err)
		s, err := ort.Open(path, &ort.Options{Device: device(), Placement: true})
		require.NoError(t, err)
		defer s.Close()
		placed, err := s.Placement()
		require.NoError(t, err)
		report(t, name, placed)
	}
}

func report(t *testing.T, name string, placed map[string]map[string]int) {
	for _, provider := range slices.Sorted(maps.Keys(placed)) {
		var ops []string
		sum := 0
		for _, op := range slices.Sorted(maps.Keys(placed[provider])) {
			ops = append(ops, fmt.Sprintf("%d %s", placed[provider][op], op))
			sum += placed[provider][op]
		}
		t.Logf("%s: %s: %d: %s", name, provider, sum, strings.Join(ops, ", "))
	}
}
