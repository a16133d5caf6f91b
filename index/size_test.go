package index_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/index"
)

// A picture of 34 regions of 768 values, with boxes and labels, takes 7 KB in
// the smallest form, besides the codebook and the means that all share.
func TestSmallestItem(t *testing.T) {
	s := newSynth(80, 768, 768)
	items := images(s, 100)
	for i := range items {
		items[i].Encoding = s.image(34)
	}
	path := build(t, &index.BuildOptions{Match: index.Bits, NoRescore: true, Regions: index.TwoBit}, items)
	info, err := open(t, path, nil).Info(t.Context())
	require.NoError(t, err)
	var bytes int64
	for _, sec := range info.Sections {
		if sec.Kind != format.KindCodebook.String() && sec.Kind != format.KindBits.String() { // of the whole file
			bytes += sec.Bytes
		}
	}
	each := float64(bytes) / float64(len(items))
	t.Logf("%.0f bytes an item", each)
	require.Less(t, each, 7168.0)
	require.Greater(t, each, 6000.0, "a section is missing from the sum")
}
