package source

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func foundIDs(found []Found) (out []string) {
	for _, f := range found {
		out = append(out, f.ID)
	}
	return out
}

// TestWalk: what is not taken is counted by kind.
func TestWalk(t *testing.T) {
	text := []byte("text")
	dir := folder(t, map[string][]byte{
		"a.jpg": nil, "b.JFIF": nil, "c.jpe": nil, "scan.tiff": nil, "d.dng": nil, "noext": nil, "notes": text,
		"clip.mp4": text, "clip2.MP4": text, "old.jp2": text, "list.tsv": text,
		"@eaDir/a.jpg": nil, "sub/@eaDir/b.jpg": nil, "#recycle/x.jpg": nil, "$RECYCLE.BIN/y.jpg": nil, "lost+found/z.jpg": nil,
		".hidden/h.jpg": nil, "._a.jpg": text, "sub/e.png": nil, "drafts/f.png": nil, "2019/raw/g.png": nil, "2019/g.png": nil,
	})
	found, passed, skips, err := Walk(t.Context(), dir, nil)
	require.NoError(t, err)
	assert.Empty(t, skips)
	assert.Equal(t, []string{"2019/g.png", "2019/raw/g.png", "a.jpg", "b.JFIF", "c.jpe", "d.dng", "drafts/f.png", "noext", "scan.tiff", "sub/e.png"}, foundIDs(found))
	assert.Equal(t, &Passed{
		Kinds:   map[string]int{"MP4": 2, "JPEG 2000": 1},
		Folders: map[string]int{"@eaDir": 2, "#recycle": 1, "$RECYCLE.BIN": 1, "lost+found": 1, "hidden": 1},
		Other:   2,
	}, passed)
	assert.Equal(t, "not read: 2 MP4, 1 JPEG 2000; folders left out: 2 @eaDir, 1 #recycle, 1 $RECYCLE.BIN, 1 hidden, 1 lost+found", passed.String())
	b, err := json.Marshal(passed)
	require.NoError(t, err)
	assert.Contains(t, string(b), `"not_read":{"JPEG 2000":1,"MP4":2}`)

	found, passed, _, err = Walk(t.Context(), dir, &WalkOptions{Exclude: []string{"drafts", "2019/raw", "*.jp?", "s*.tiff"}})
	require.NoError(t, err)
	assert.Equal(t, []string{"2019/g.png", "b.JFIF", "d.dng", "noext", "sub/e.png"}, foundIDs(found))
	assert.Equal(t, 6, passed.Excluded, "a.jpg, c.jpe, old.jp2, scan.tiff and two folders")
	_, _, _, err = Walk(t.Context(), dir, &WalkOptions{Exclude: []string{"[a"}})
	assert.ErrorContains(t, err, "[a")
	assert.Equal(t, "1,234,567", grouped(1_234_567))
	assert.Empty(t, (*Passed)(nil).String())
}

// TestWalkLinks: a linked folder is counted, or walked once, whatever circles there are.
func TestWalkLinks(t *testing.T) {
	dir := folder(t, map[string][]byte{"in/a.jpg": nil})
	outside := folder(t, map[string][]byte{"b.jpg": nil, "deep/c.jpg": nil})
	for from, to := range map[string]string{
		"in/up": dir, "out": outside, "also-out": outside, "into": filepath.Join(dir, "in"), "part": filepath.Join(outside, "deep"),
	} {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Skip("no links here:", err)
		}
	}
	require.NoError(t, os.Symlink(dir, filepath.Join(outside, "back")))
	found, passed, _, err := Walk(t.Context(), dir, nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"in/a.jpg"}, foundIDs(found))
	assert.Equal(t, 5, passed.Links)
	assert.Equal(t, "5 linked folders not followed (--follow does)", passed.String())

	found, _, _, err = Walk(t.Context(), dir, &WalkOptions{Follow: true})
	require.NoError(t, err)
	assert.Equal(t, []string{"also-out/b.jpg", "also-out/deep/c.jpg", "in/a.jpg"}, foundIDs(found), "each photo once")
}
