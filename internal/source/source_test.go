package source

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/regions"
	"github.com/aladin-go/aladin/internal/shareddata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func parse(t *testing.T, prefix string, args ...string) *Flags {
	t.Helper()
	var f Flags
	fs := cli.NewFlags("test")
	f.Register(fs, prefix)
	require.NoError(t, fs.Parse(args))
	return &f
}

func greyPNG(t *testing.T, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h))))
	return b.Bytes()
}

// folder makes files of the given content; nil content is a small picture.
func folder(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		if b == nil {
			b = greyPNG(t, 8, 6)
		}
		p := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o755))
		require.NoError(t, os.WriteFile(p, b, 0o600))
	}
	return dir
}

func patches(t *testing.T) regions.Extractor {
	t.Helper()
	x, err := regions.NewPatches(&regions.Config{Kind: "patches", Patches: &regions.PatchConfig{Size: 8, Patch: 4}}, "")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, x.Close()) })
	return x
}

func ids(s *Source) (out []string) {
	for _, i := range s.Items {
		out = append(out, i.ID)
	}
	return out
}

func TestFlags(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", "no source; name one of --val-images DIR"},
		{"--val-images a --val-scenes 3", "--val-images and --val-scenes are different sources"},
		{"--val-scenes 3 --val-captions x", "--val-captions belongs to --val-images"},
		{"--val-scenes 3 --val-coco-ir x", "--val-coco-ir belongs to --val-features"},
		{"--val-features a --val-keys k", "--val-keys belongs to --val-coco-ir"},
		{"--val-images a --val-detection det", "belongs to --val-features"},
		{"--val-features a --val-detection maybe", "--val-detection"},
		{"--val-images a --val-split test", "--val-split means nothing"},
		{"--val-scenes 3 --val-split tset", `--val-split "tset"`},
		{"--val-scenes -3", "--val-scenes -3"},
	} {
		_, err := parse(t, "val-", strings.Fields(c.args)...).Open(t.Context(), nil)
		require.ErrorIs(t, err, cli.ErrUsage, c.args)
		require.ErrorContains(t, err, c.want)
	}
	assert.False(t, new(Flags).Given())
	assert.True(t, parse(t, "", "--scenes", "3").Given())
}

func TestFolder(t *testing.T) {
	dir := folder(t, map[string][]byte{
		"b.JPG": nil, "a/x.png": nil, "a-z.gif": nil, "a/.hidden.png": nil, ".git/y.png": nil, "notes.txt": []byte("no"), "a/ü.webp": nil,
	})
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder.png"), 0o755))
	s, err := parse(t, "", "--images", dir).Open(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"a-z.gif", "a/x.png", "a/ü.webp", "b.JPG"}, ids(s))
	assert.Empty(t, s.Captions)
	assert.Empty(t, s.Skipped)
	f, err := s.Open(1, nil)
	require.NoError(t, err)
	assert.Equal(t, []int{8, 6}, []int{f.W, f.H})
	require.NoError(t, f.Close())
	_, err = s.Set(0)
	assert.ErrorIs(t, err, ErrNoRegions)
	require.NoError(t, s.Close())

	_, err = parse(t, "", "--images", folder(t, map[string][]byte{"a.txt": nil})).Open(t.Context(), nil)
	require.ErrorIs(t, err, ErrEmpty)
	require.ErrorContains(t, err, ".jpg")
	_, err = parse(t, "", "--images", filepath.Join(dir, "none")).Open(t.Context(), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = parse(t, "", "--images", filepath.Join(dir, "b.JPG")).Open(t.Context(), nil)
	require.ErrorContains(t, err, "is a file")
}

func TestCaptions(t *testing.T) {
	dir := folder(t, map[string][]byte{"b.png": nil, "a.png": nil, "sub/c.png": nil, "bare.png": nil})
	file := filepath.Join(t.TempDir(), "captions.tsv")
	require.NoError(t, os.WriteFile(file, []byte("\ufeffb.png\t0\tA dog .\r\n"+
		"sub/c.png\t0\t狗 🐶 runs\n"+
		"\n"+
		"./b.png\t0\tanother with the same number\n"+
		"gone.png\t0\tnobody\n"+
		"gone.png\t1\tnobody either\n"+
		"b.png\t2\tA dog .\n"+
		"b.png\t3\t   \n"+
		"b.png only\n"+
		"b.png\tx\tthree\n"+
		"b.png\t4\tbad \xff bytes\n"+
		"../secret.png\t0\tout\n"+
		"bare.png\t0\t\n"+
		"b.png\t5\t"+strings.Repeat("long ", 20000)+"\n"+
		"a.png\t7\tthe last line has no end"), 0o600))
	s, err := parse(t, "", "--images", dir, "--captions", file).Open(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"b.png", "sub/c.png", "a.png"}, ids(s))
	assert.Empty(t, cmp.Diff([]Caption{
		{ID: "b.png#0", Image: 0, Text: "A dog ."},
		{ID: "sub/c.png#0", Image: 1, Text: "狗 🐶 runs"},
		{ID: "b.png#1", Image: 0, Text: "another with the same number"},
		{ID: "b.png#2", Image: 0, Text: "A dog ."},
		{ID: "a.png#7", Image: 2, Text: "the last line has no end"},
	}, s.Captions))
	var got []string
	for _, k := range s.Skipped {
		got = append(got, strings.ReplaceAll(k.Error(), file, "F"))
	}
	assert.Empty(t, cmp.Diff([]string{
		`photo "gone.png": no such photo in the folder (2 captions in F)`,
		`caption F:8: empty caption of "b.png"`,
		`caption F:9: 1 columns, want 3: photo <tab> number <tab> caption`,
		`caption F:10: "x" is no number of a caption`,
		`caption F:11: not UTF-8; save the file as UTF-8`,
		`caption F:12: "../secret.png" is not the name of a file in the folder`,
		`caption F:13: empty caption of "bare.png"`,
		`caption F:14: longer than 65536 bytes`,
	}, got))
	assert.Equal(t, "1 photo and 7 captions", s.Skipped.String())
	var b strings.Builder
	require.NoError(t, s.Skipped.Report(&b, 1))
	assert.Contains(t, b.String(), "left out 1 photo and 7 captions:\n  photo \"gone.png\"")
	assert.Contains(t, b.String(), "… and 7 more")

	require.NoError(t, os.WriteFile(file, []byte("gone.png\t0\tx\n"), 0o600))
	_, err = parse(t, "", "--images", dir, "--captions", file).Open(t.Context(), nil)
	require.ErrorIs(t, err, ErrEmpty)
	require.ErrorContains(t, err, "gone.png")
}

func TestScenes(t *testing.T) {
	s, err := parse(t, "", "--scenes", "6", "--seed", "5").Open(t.Context(), &Options{Split: "test"})
	require.NoError(t, err)
	assert.Len(t, s.Items, 6)
	assert.Len(t, s.Captions, 30)
	named := 0
	for _, c := range s.Captions {
		for _, m := range c.Mentions {
			assert.NotEmpty(t, c.Text[m.Start:m.End])
			assert.NotEmpty(t, m.Boxes)
			named++
		}
	}
	assert.Positive(t, named)
	unique, err := s.Unique(t.Context())
	require.NoError(t, err)
	assert.Len(t, unique, 30)
	f, err := s.Open(3, nil)
	require.NoError(t, err)
	_, err = f.Decode(t.Context())
	require.NoError(t, err)

	without := s.Without(Skips{{ID: s.Items[1].ID}})
	assert.Len(t, without.Items, 5)
	assert.Len(t, without.Captions, 25)
	assert.Equal(t, 1, without.Captions[5].Image)
	assert.Len(t, s.Items, 6)
}

func TestFeatures(t *testing.T) {
	dir := shareddata.Dir(t, "aladin-tiny")
	coco := filepath.Join(dir, "coco_ir")
	s, err := parse(t, "", "--features", filepath.Join(coco, "features"), "--coco-ir", coco, "--keys", "test_img_keys_1k.tsv").Open(t.Context(), &Options{Split: "test"})
	require.NoError(t, err)
	require.NotEmpty(t, s.Captions)
	defer s.Close()
	require.True(t, s.Precomputed())
	n := 0
	for e, err := range Regions(t.Context(), s, nil, nil) {
		require.NoError(t, err)
		require.Equal(t, n, e.Item)
		require.Nil(t, e.Skip)
		require.Equal(t, s.Dim(), e.Sets[0].Dim)
		n++
	}
	assert.Equal(t, len(s.Items), n)
	_, err = s.Open(0, nil)
	require.ErrorIs(t, err, ErrNoPixels)
	set, err := Training(t.Context(), s, nil, nil)
	require.NoError(t, err)
	_, err = set.Load(t.Context(), 0, 0)
	require.NoError(t, err)
	_, err = Training(t.Context(), s, nil, &TrainingOptions{Views: make([]regions.View, 2)})
	require.ErrorIs(t, err, ErrNoPixels)
}

// badFolder has good photos between bad ones.
func badFolder(t *testing.T) string {
	whole := greyPNG(t, 64, 64)
	huge := append([]byte{}, greyPNG(t, 8, 8)...)
	copy(huge[16:], []byte{0, 0, 195, 80, 0, 0, 195, 80}) // 50,000 × 50,000; the header's checksum is wrong too
	files := map[string][]byte{
		"03-cut.png": whole[:len(whole)/2], "07-text.jpg": []byte("I am no photo"), "11-empty.png": {}, "12-huge.png": huge,
	}
	for _, k := range []string{"00", "01", "02", "04", "05", "06", "08", "09", "10", "13", "14", "15", "16", "17", "18", "19", "20", "21"} {
		files[k+".png"] = nil
	}
	return folder(t, files)
}

func TestRegions(t *testing.T) {
	s, err := parse(t, "", "--images", badFolder(t)).Open(t.Context(), nil)
	require.NoError(t, err)
	var skipped []string
	n := 0
	for e, err := range Regions(t.Context(), s, patches(t), nil) {
		require.NoError(t, err)
		require.Equal(t, n, e.Item)
		n++
		if e.Skip != nil {
			skipped = append(skipped, e.Skip.ID)
			assert.Contains(t, e.Skip.Error(), e.Skip.ID)
			continue
		}
		require.Equal(t, 5, e.Sets[0].Len())
	}
	assert.Equal(t, 22, n)
	assert.Equal(t, []string{"03-cut.png", "07-text.jpg", "11-empty.png", "12-huge.png"}, skipped)

	for e, err := range Regions(t.Context(), s, patches(t), []regions.View{{}, {Flip: true}}) { // break early
		require.NoError(t, err)
		require.Len(t, e.Sets, 2)
		if e.Item == 2 {
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n = 0
	var last error
	for _, last = range Regions(ctx, s, patches(t), nil) {
		if n++; n == 1 {
			cancel()
		}
	}
	require.ErrorIs(t, last, context.Canceled)
	for _, err := range Regions(t.Context(), s, nil, nil) {
		require.ErrorIs(t, err, ErrNoRegions)
	}
}

// captioned is a source of some photos of a folder.
func captioned(t *testing.T, dir string, ids ...string) *Source {
	t.Helper()
	var text strings.Builder
	for _, id := range ids {
		text.WriteString(id + "\t0\tone " + id + "\n" + id + "\t1\ttwo " + id + "\n")
	}
	captions := filepath.Join(t.TempDir(), "c.tsv")
	require.NoError(t, os.WriteFile(captions, []byte(text.String()), 0o600))
	s, err := parse(t, "", "--images", dir, "--captions", captions).Open(t.Context(), nil)
	require.NoError(t, err)
	return s
}

// counting counts the pictures that an extractor looks at.
type counting struct {
	regions.Extractor
	n *int
}

func (c counting) Extract(ctx context.Context, pics []*picture.Picture, views ...regions.View) ([]*region.Set, error) {
	*c.n += len(pics)
	return c.Extractor.Extract(ctx, pics, views...)
}

func TestTraining(t *testing.T) {
	dir := badFolder(t)
	for i, name := range []string{"00.png", "04.png", "05.png"} { // which are the same picture there
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), greyPNG(t, 10+i, 12), 0o600))
	}
	o := &TrainingOptions{Views: []regions.View{{}, {Flip: true}}, Cache: filepath.Join(t.TempDir(), "deep", "cache")}
	told, extracted := 0, 0
	o.Progress = func(done, total int) { told++; assert.Equal(t, 3, total) }
	x := counting{patches(t), &extracted}
	train := func(dir string, ids ...string) *TrainingSet {
		t.Helper()
		extracted = 0
		set, err := Training(t.Context(), captioned(t, dir, ids...), x, o)
		require.NoError(t, err)
		return set
	}
	set := train(dir, "00.png", "03-cut.png", "04.png")
	assert.Equal(t, 4, told)
	assert.Equal(t, 2, extracted)
	assert.Equal(t, 2, set.Len())
	assert.Equal(t, 48, set.Dim())
	assert.Equal(t, "04.png", set.ID(1))
	assert.Len(t, set.Views(), 2)
	assert.Equal(t, []Caption{{ID: "04.png#0", Image: 1, Text: "one 04.png"}, {ID: "04.png#1", Image: 1, Text: "two 04.png"}}, set.Captions[2:])
	assert.Equal(t, "1 photo", set.Skipped.String())
	want, err := set.Load(t.Context(), 1, 1)
	require.NoError(t, err)
	require.NoError(t, set.Close())

	o.Progress = nil
	set = train(dir, "04.png", "05.png") // another set with one of the same photos
	assert.Equal(t, 1, extracted)
	got, err := set.Load(t.Context(), 0, 1)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	require.NoError(t, set.Close())

	// A copy of the photo in another folder is the same photo.
	data, err := os.ReadFile(filepath.Join(dir, "04.png"))
	require.NoError(t, err)
	other := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(other, "copy.png"), data, 0o600))
	require.NoError(t, train(other, "copy.png").Close())
	assert.Zero(t, extracted)

	// One that changed is not.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "04.png"), greyPNG(t, 9, 9), 0o600))
	set = train(dir, "04.png", "05.png")
	assert.Equal(t, 1, extracted, "a changed photo was not noticed")
	require.NoError(t, set.Close())

	o.Views = nil // other views are other regions
	require.NoError(t, train(dir, "05.png").Close())
	assert.Equal(t, 1, extracted)

	_, err = Training(t.Context(), captioned(t, dir, "03-cut.png"), x, o)
	require.ErrorIs(t, err, ErrEmpty)
}

// Several collections are one source: a photo that two of them describe is one photo with all its captions.
func TestSeveral(t *testing.T) {
	first, second := badFolder(t), badFolder(t)
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "c.tsv")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	read := func(args ...string) (*Source, error) {
		f := Flags{Several: true}
		fs := cli.NewFlags("test")
		f.Register(fs, "")
		require.NoError(t, fs.Parse(args))
		return f.Open(t.Context(), nil)
	}
	a, b, c := file("00.png\t0\ta dog\n04.png\t0\ta cat\n"), file("00.png\t0\ta horse\n05.png\t0\ta cow\nnone.png\t0\tx\n"), file("04.png\t0\tsome cat\n")
	s, err := read("--images", first, "--captions", a, "--images", second, "--captions", b, "--images", first, "--captions", c)
	require.NoError(t, err)
	defer s.Close()
	var ids []string
	for _, item := range s.Items {
		ids = append(ids, item.ID)
	}
	assert.Equal(t, []string{"00.png", "04.png", filepath.ToSlash(second) + "/00.png", "05.png"}, ids)
	assert.Equal(t, []Caption{
		{ID: "00.png#0", Image: 0, Text: "a dog"}, {ID: "04.png#0", Image: 1, Text: "a cat"},
		{ID: filepath.ToSlash(second) + "/00.png#0", Image: 2, Text: "a horse"}, {ID: "05.png#0", Image: 3, Text: "a cow"},
		{ID: "04.png#1", Image: 1, Text: "some cat"},
	}, s.Captions)
	assert.Equal(t, "1 photo", s.Skipped.String())
	file1, err := s.Open(2, nil)
	require.NoError(t, err)
	require.NoError(t, file1.Close())

	for _, args := range [][]string{
		{"--images", first, "--images", second, "--captions", a},
		{"--images", first, "--captions", a, "--captions", b},
	} {
		_, err := read(args...)
		require.ErrorIs(t, err, cli.ErrUsage)
	}
}
