package serve

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"image/jpeg"
	"image/png"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/image/tiff"

	"github.com/aladin-go/aladin/index"
)

// addItems adds images under the given ids, whatever they are.
func addItems(t testing.TB, w *world, ids ...string) {
	t.Helper()
	b, err := index.OpenWriter(w.path, nil)
	require.NoError(t, err)
	for _, id := range ids {
		require.NoError(t, b.Add(context.Background(), index.Item{ID: id, Encoding: w.model.known[0].enc}))
	}
	require.NoError(t, b.Commit(context.Background()))
	require.NoError(t, b.Close())
}

func greyPNG(t testing.TB, w, h int) []byte {
	t.Helper()
	var buf bytes.Buffer
	require.NoError(t, png.Encode(&buf, image.NewGray(image.Rect(0, 0, w, h))))
	return buf.Bytes()
}

// Nothing outside the folder of photos can be read, and nothing in it that is no
// picture of the index, whatever ids an index holds and whatever a client asks for.
func TestOnlyPhotosInsideTheFolder(t *testing.T) {
	w := newWorld(t, 2, 64, 0)
	outside := filepath.Join(filepath.Dir(w.dir), "secret.png")
	require.NoError(t, os.WriteFile(outside, greyPNG(t, 8, 8), 0o644))
	write := func(name string, data []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(w.dir, name), data, 0o644))
	}
	write("page.png", []byte("<!doctype html><script>alert(1)</script>"))
	write("drawing.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`))
	write("notes.txt", []byte("not for you"))
	write("empty.png", nil)
	write("unindexed.png", greyPNG(t, 8, 8))
	write("inside.png", greyPNG(t, 8, 8))
	require.NoError(t, os.Mkdir(filepath.Join(w.dir, "folder.png"), 0o755))
	ids := []string{
		"../secret.png", "sub folder/../../secret.png", outside, "/etc/passwd", "./inside.png", "..", ".", "a/../inside.png", "inside.png/",
		"page.png", "drawing.svg", "notes.txt", "empty.png", "folder.png", "gone.png", `..\secret.png`, "nul\x00.png", "secret.png#1",
	}
	link := func(target, name string) {
		if err := os.Symlink(target, filepath.Join(w.dir, name)); err != nil {
			t.Skip("no symbolic links here")
		}
		ids = append(ids, name)
	}
	link(outside, "absolute.png")
	link("../secret.png", "relative.png")
	link(filepath.Dir(w.dir), "up")
	ids = append(ids, "up/secret.png")
	link("loop.png", "loop.png")
	require.NoError(t, os.Symlink("inside.png", filepath.Join(w.dir, "within.png")))
	addItems(t, w, append(ids, "within.png", "inside.png")...)
	s := w.server(t, Options{})
	srv := listen(t, s)
	noRedirect := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	status := func(path string) int {
		r, err := http.NewRequest(http.MethodGet, srv.URL, nil)
		require.NoError(t, err)
		r.URL.Opaque = strings.Replace(srv.URL, "http:", "", 1) + path // as it is
		resp, err := noRedirect.Do(r)
		require.NoError(t, err, path)
		resp.Body.Close()
		return resp.StatusCode
	}
	for _, id := range ids {
		for _, kind := range []string{"/photo/", "/thumb/"} {
			escaped := strings.NewReplacer(".", "%2E").Replace(url.PathEscape(id)) // dots too, which clients may clean away
			assert.Equal(t, http.StatusNotFound, status(kind+escaped), "%s%q", kind, id)
			if plain := status(kind + url.PathEscape(id)); plain != http.StatusNotFound {
				assert.Contains(t, []int{http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusBadRequest}, plain, "%s%q", kind, id)
			}
		}
		rec := get(s, "/api/items/"+strings.ReplaceAll(url.PathEscape(id), ".", "%2E"))
		assert.NotContains(t, rec.Body.String(), `"photo"`, id)
	}
	for _, path := range []string{"/photo/../../secret.png", "/photo/%2e%2e/secret.png", "/photo//etc/passwd", "/photo/..%2fsecret.png", "/page/../server.go", "/page/%2e%2e/server.go"} {
		assert.NotEqual(t, http.StatusOK, status(path), path)
	}
	assert.Equal(t, http.StatusNotFound, status("/photo/unindexed.png"), "only photos of items")
	assert.Equal(t, http.StatusOK, status("/photo/inside.png"))
	assert.Equal(t, http.StatusOK, status("/photo/within.png"), "a link that stays inside is fine")

	follows := w.server(t, Options{Follow: true})
	assert.Equal(t, http.StatusOK, get(follows, "/photo/absolute.png").Code)
	assert.Equal(t, http.StatusOK, get(follows, "/photo/relative.png").Code)
	for _, id := range []string{"..%2Fsecret.png", url.PathEscape(outside), "loop.png", "notes.txt"} {
		assert.Equal(t, http.StatusNotFound, get(follows, "/photo/"+id).Code, id)
	}
}

// TestOtherKinds: photos that browsers do not show are shown as JPEGs.
func TestOtherKinds(t *testing.T) {
	w := newWorld(t, 1, 64, 0)
	var b bytes.Buffer
	require.NoError(t, tiff.Encode(&b, image.NewGray(image.Rect(0, 0, 2000, 1000)), nil))
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, "scan.tif"), b.Bytes(), 0o644))
	addItems(t, w, "scan.tif")
	s := w.server(t, Options{})
	for path, side := range map[string]int{"/photo/scan.tif": 1280, "/thumb/scan.tif": defaultThumb} {
		rec := get(s, path)
		require.Equal(t, http.StatusOK, rec.Code, path)
		assert.Equal(t, "image/jpeg", rec.Header().Get("Content-Type"))
		c, err := jpeg.DecodeConfig(rec.Body)
		require.NoError(t, err)
		assert.Equal(t, []int{side, side / 2}, []int{c.Width, c.Height})
	}
}

func TestPixelLimit(t *testing.T) {
	w := newWorld(t, 1, 64, 0)
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, "large.png"), greyPNG(t, 200, 200), 0o644))
	addItems(t, w, "large.png")
	s := w.server(t, Options{Limits: Limits{Pixels: 100 * 100}})
	rec := get(s, "/thumb/large.png")
	assert.Equal(t, http.StatusRequestEntityTooLarge, rec.Code)
	assert.Contains(t, rec.Body.String(), "photo_too_large")
	assert.Equal(t, http.StatusOK, get(s, "/thumb/"+url.PathEscape(w.id(0))).Code)
}

// lyingJPEG is a picture of w × h pixels that EXIF says to turn.
func lyingJPEG(t testing.TB, w, h int, orientation uint16) []byte {
	t.Helper()
	var buf bytes.Buffer
	require.NoError(t, jpeg.Encode(&buf, image.NewGray(image.Rect(0, 0, w, h)), nil))
	block := []byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00")
	block = append(binary.LittleEndian.AppendUint16(block, orientation), make([]byte, 6)...)
	app1 := append([]byte("Exif\x00\x00"), block...)
	head := append([]byte{0xff, 0xd8, 0xff, 0xe1}, binary.BigEndian.AppendUint16(nil, uint16(len(app1)+2))...)
	return append(append(head, app1...), buf.Bytes()[2:]...)
}

func TestSizeIsThatOfTheUprightPhoto(t *testing.T) {
	for orientation, want := range map[uint16]image.Point{1: {60, 20}, 3: {60, 20}, 6: {20, 60}, 8: {20, 60}, 99: {60, 20}} {
		p, err := openPhotos(&Options{Photos: fstest.MapFS{"a.jpg": {Data: lyingJPEG(t, 60, 20, orientation)}}})
		require.NoError(t, err)
		assert.Equal(t, want, p.size("a.jpg"), "orientation %d", orientation)
		assert.Equal(t, want, p.size("a.jpg#4"), "a caption's photo")
		assert.Zero(t, p.size("b.jpg"))
	}
}

// A thumbnail in the folder serves the next process; the folder stays below its
// bound, and what is damaged is made again.
func TestThumbnailsOnDisk(t *testing.T) {
	w := newWorld(t, 8, 64, 0)
	dir := filepath.Join(t.TempDir(), "thumbs")
	files := func() (names []string, total int64) {
		require.NoError(t, filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				info, ierr := d.Info()
				require.NoError(t, ierr)
				names, total = append(names, p), total+info.Size()
			}
			return err
		}))
		return names, total
	}
	s := w.server(t, Options{ThumbDir: dir})
	var first []byte
	for i := range w.scenes {
		rec := get(s, "/thumb/"+url.PathEscape(w.id(i)))
		require.Equal(t, 200, rec.Code)
		if i == 0 {
			first = rec.Body.Bytes()
		}
	}
	names, total := files()
	require.Len(t, names, 8)

	// Another process: no photo is decoded.
	again := w.server(t, Options{ThumbDir: dir})
	again.thumbs.limits.MaxPixels = 1
	assert.Equal(t, first, get(again, "/thumb/"+url.PathEscape(w.id(0))).Body.Bytes())

	// A damaged file is a miss.
	for _, n := range names {
		require.NoError(t, os.WriteFile(n, []byte("damaged"), 0o600))
	}
	repaired := w.server(t, Options{ThumbDir: dir})
	assert.Equal(t, first, get(repaired, "/thumb/"+url.PathEscape(w.id(0))).Body.Bytes())

	// A smaller bound throws the oldest out, others' files are left alone.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mine.txt"), []byte("mine"), 0o600))
	bound := total / 2
	small := w.server(t, Options{ThumbDir: dir, ThumbDirBytes: bound, ThumbBytes: 1})
	for i := range w.scenes {
		require.Equal(t, 200, get(small, "/thumb/"+url.PathEscape(w.id(i))).Code)
	}
	_, total = files()
	assert.LessOrEqual(t, total, bound+4)
	assert.FileExists(t, filepath.Join(dir, "mine.txt"))
}
