package index_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
)

func TestTags(t *testing.T) {
	items := images(newSynth(70, 64, 64), 30)
	for i := range items {
		items[i].Tags = []string{"all", "all", fmt.Sprintf("third %d", i%3)} // a tag counts once an item
		if i == 4 {
			items[i].Tags = append(items[i].Tags, "gone")
		}
	}
	path := build(t, &index.BuildOptions{SegmentBytes: 20_000}, items[:20])
	w := openWriter(t, path, nil)
	for _, it := range items[20:] {
		require.NoError(t, w.Add(context.Background(), it))
	}
	require.NoError(t, w.Commit(context.Background()))
	require.NoError(t, w.Delete(context.Background(), items[4].ID))
	require.NoError(t, w.Delete(context.Background(), items[25].ID))
	require.NoError(t, w.Commit(context.Background()))
	got, err := open(t, path, nil).Tags(t.Context())
	require.NoError(t, err)
	require.Equal(t, []index.TagCount{{"all", 28}, {"third 0", 10}, {"third 2", 10}, {"third 1", 8}}, got)
}
