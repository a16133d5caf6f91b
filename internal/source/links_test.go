package source

import (
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Links that lead out of the folder are left out and said, unless they are to be followed.
func TestLinks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "photos")
	require.NoError(t, os.Mkdir(dir, 0o755))
	write := func(path string) {
		f, err := os.Create(path)
		require.NoError(t, err)
		require.NoError(t, png.Encode(f, image.NewGray(image.Rect(0, 0, 8, 8))))
		require.NoError(t, f.Close())
	}
	write(filepath.Join(dir, "a.png"))
	write(filepath.Join(dir, "..", "secret.png"))
	for name, target := range map[string]string{"in.png": "a.png", "out.png": "../secret.png", "none.png": "b.png"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Skip("no symbolic links here")
		}
	}
	captions := filepath.Join(dir, "captions.tsv")
	require.NoError(t, os.WriteFile(captions, []byte("a.png\t0\tgrey\nout.png\t0\tgrey\n"), 0o600))

	ids := func(f Flags) (ids, skipped []string) {
		s, err := f.Open(t.Context(), nil)
		require.NoError(t, err)
		defer s.Close()
		for _, it := range s.Items {
			ids = append(ids, it.ID)
		}
		for _, k := range s.Skipped {
			skipped = append(skipped, k.ID+": "+k.Err.Error())
		}
		return ids, skipped
	}
	got, skipped := ids(Flags{Images: dir})
	assert.Equal(t, []string{"a.png", "in.png"}, got)
	assert.ElementsMatch(t, []string{"none.png: " + errNoPhoto.Error(), "out.png: " + errLeads.Error()}, skipped)
	got, _ = ids(Flags{Images: dir, Walk: WalkOptions{Follow: true}})
	assert.Equal(t, []string{"a.png", "in.png", "out.png"}, got)
	got, _ = ids(Flags{Images: dir, Captions: captions})
	assert.Equal(t, []string{"a.png"}, got)
}
