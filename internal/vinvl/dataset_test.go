package vinvl

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aladin-go/aladin/internal/npy"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/shareddata"
	"github.com/aladin-go/aladin/internal/tokenizer"
)

func open(tb testing.TB, dir string, o *Options) *Dataset {
	tb.Helper()
	d, err := Open(context.Background(), dir, o)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, d.Close()) })
	return d
}

// all reads the pictures in order.
func all(tb testing.TB, d *Dataset, ids []string) []*Image {
	tb.Helper()
	var imgs []*Image
	for img, err := range d.Images(context.Background(), ids) {
		require.NoError(tb, err)
		imgs = append(imgs, img)
	}
	return imgs
}

func TestRealFeatures(t *testing.T) {
	dir := shareddata.Dir(t, "coco_real")
	raw, err := os.ReadFile(filepath.Join(dir, "checksums.json"))
	require.NoError(t, err)
	var want map[string]struct {
		Shape  [2]int
		Sum64  float64
		First4 []float32
		Last6  []float32
	}
	require.NoError(t, json.Unmarshal(raw, &want))
	keys, err := Keys(filepath.Join(dir, "test_img_keys.tsv"))
	require.NoError(t, err)
	require.Len(t, want, len(keys))

	d := open(t, filepath.Join(dir, "features"), nil)
	require.Equal(t, keys, d.IDs())
	require.Equal(t, 2054, d.Dim())
	for _, img := range all(t, d, keys) {
		s, w := img.Set, want[img.ID]
		require.Equal(t, w.Shape, [2]int{s.Len(), s.Dim})
		sum := 0.0
		for _, v := range s.Features {
			sum += float64(v)
		}
		require.InDelta(t, w.Sum64, sum, 1e-9*sum, img.ID)
		require.Equal(t, w.First4, s.Features[:4])
		require.Equal(t, w.Last6, s.Features[len(s.Features)-6:])
		require.Equal(t, region.Box(w.Last6[:4]), s.Boxes[s.Len()-1])
		require.Len(t, s.Tags, s.Len())
		require.Equal(t, s.Labels, s.Tags)
		require.NotZero(t, img.CRC)
	}
}

// TestParityInputs compares with what the original code hands to its network.
func TestParityInputs(t *testing.T) {
	dir := shareddata.Dir(t, "aladin-tiny")
	z, err := npy.OpenZ(filepath.Join(dir, "expected.npz"))
	require.NoError(t, err)
	defer z.Close()
	ints := func(name string) []int64 {
		a, err := z.Read("inputs/" + name)
		require.NoError(t, err)
		v, err := a.Int64s()
		require.NoError(t, err)
		return v
	}
	a, err := z.Read("inputs/img_feats")
	require.NoError(t, err)
	feats, err := a.Float32s()
	require.NoError(t, err)

	const length, most, dim = 16, 10, 26
	caps, err := Split(filepath.Join(dir, "coco_ir"), "test", "test_img_keys.tsv")
	require.NoError(t, err)
	require.Equal(t, 60, caps.Len())
	wp, err := tokenizer.LoadWordPiece(filepath.Join(dir, "vinvl", "vocab.txt"), nil)
	require.NoError(t, err)

	for i, k := range ints("img_keys") {
		require.Equal(t, caps.IDs[i], strconv.FormatInt(k, 10))
	}
	// row is a sequence as the network reads it: first, pieces, [SEP], padding.
	row := func(first int, text string) []int64 {
		toks := tokenizer.IDs(wp.Tokenize(text))
		ids := append([]int64{int64(first)}, toks[:min(len(toks), length-2)]...)
		ids = append(ids, int64(wp.SEP()))
		return append(ids, make([]int64, length-len(ids))...)
	}
	var capIDs []int64
	for _, id := range caps.IDs {
		for _, text := range caps.ByID[id] {
			capIDs = append(capIDs, row(wp.CLS(), text)...)
		}
	}
	require.Equal(t, ints("cap_ids"), capIDs)

	d := open(t, filepath.Join(dir, "coco_ir", "features"), &Options{MaxRegions: most, Dim: dim})
	var imgIDs, lens []int64
	got := make([]float32, 0, len(feats))
	for _, img := range all(t, d, caps.IDs) {
		imgIDs = append(imgIDs, row(wp.UNK(), strings.Join(img.Set.ObjectTags(), " "))...)
		lens = append(lens, int64(img.Set.Len()))
		got = append(got, img.Set.Features...)
		got = append(got, make([]float32, (most-img.Set.Len())*dim)...)
	}
	require.Equal(t, ints("img_ids"), imgIDs)
	require.Equal(t, ints("img_len"), lens)
	require.Equal(t, feats, got)
}

func TestPictureSizes(t *testing.T) {
	d := open(t, shareddata.Dir(t, "aladin-tiny", "coco_ir", "features"), &Options{MaxRegions: 10})
	require.Len(t, d.IDs(), 13)
	require.True(t, d.Has("309"))
	require.False(t, d.Has("310"))
	img, err := d.Image("309")
	require.NoError(t, err)
	require.Equal(t, []int{640, 480, 10, 10, 14}, []int{img.Set.Width, img.Set.Height, img.Set.Len(), len(img.Set.Labels), len(img.Set.Tags)})
	img, err = d.Image("60623") // a bare list
	require.NoError(t, err)
	require.Equal(t, []int{800, 600}, []int{img.Set.Width, img.Set.Height})
	_, err = d.Image("310")
	require.ErrorIs(t, err, ErrMissing)
	require.ErrorIs(t, err, ErrRow)
}

func TestCaptionForms(t *testing.T) {
	dir := shareddata.Dir(t, "aladin-tiny", "coco_ir")
	want, err := Split(dir, "test", "")
	require.NoError(t, err)
	require.Len(t, want.IDs, 12)
	for _, split := range []string{"minival", "train", "test"} {
		got, err := Split(dir, split, "")
		require.NoError(t, err, split)
		require.NotZero(t, got.Len())
	}
	list, err := Captions(filepath.Join(dir, "test_captions_list.pt"))
	require.NoError(t, err)
	require.Equal(t, want, list, "lists and JSON strings say the same")

	few, err := Split(dir, "test", "test_img_keys_1k.tsv")
	require.NoError(t, err)
	require.Equal(t, []string{"222564", "700011", "60623", "309", "42"}, few.IDs)
	_, err = few.Select([]string{"1"})
	require.ErrorIs(t, err, ErrMissing)
	_, err = Captions(filepath.Join(dir, "..", "vinvl", "training_args.bin"))
	require.ErrorIs(t, err, ErrCaptions)
}

// copyFiles copies a features folder, without the files named.
func copyFiles(tb testing.TB, from string, without ...string) string {
	tb.Helper()
	dir := tb.TempDir()
	entries, err := os.ReadDir(from)
	require.NoError(tb, err)
next:
	for _, e := range entries {
		for _, w := range without {
			if e.Name() == w {
				continue next
			}
		}
		raw, err := os.ReadFile(filepath.Join(from, e.Name()))
		require.NoError(tb, err)
		require.NoError(tb, os.WriteFile(filepath.Join(dir, e.Name()), raw, 0o644))
	}
	return dir
}

func TestIndexesAreRebuilt(t *testing.T) {
	from := shareddata.Dir(t, "aladin-tiny", "coco_ir", "features")
	whole := open(t, from, nil)
	want := all(t, whole, whole.IDs())

	dir := copyFiles(t, from, "features.lineidx", "predictions.lineidx", "imageid2idx.json")
	bare := open(t, dir, &Options{SaveIndex: true})
	if diff := cmp.Diff(want, all(t, bare, bare.IDs())); diff != "" {
		t.Fatalf("(-with +without indexes):\n%s", diff)
	}
	for _, name := range []string{"features.lineidx", "predictions.lineidx"} {
		a, err := os.ReadFile(filepath.Join(from, name))
		require.NoError(t, err)
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, strings.TrimSpace(string(a)), strings.TrimSpace(string(b)))
	}
}

func TestChecksum(t *testing.T) {
	from := shareddata.Dir(t, "aladin-tiny", "coco_ir", "features")
	sum := func(dir string, workers int) uint32 {
		d := open(t, dir, &Options{Workers: workers})
		var total uint32
		for _, img := range all(t, d, d.IDs()) {
			total = crc32.Update(total, castagnoli, fmt.Append(nil, img.ID, img.CRC))
		}
		return total
	}
	want := sum(from, 1)
	require.Equal(t, want, sum(from, 7), "the same for any number of workers")
	dir := copyFiles(t, from)
	p := filepath.Join(dir, "predictions.tsv")
	raw, err := os.ReadFile(p)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(p, bytes.Replace(raw, []byte("puppy"), []byte("guppy"), 1), 0o644))
	require.NotEqual(t, want, sum(dir, 2))
}

// encode is the last column of a row.
func encode(values ...float32) string {
	raw, err := binary.Append(nil, binary.LittleEndian, values)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// folder writes a features folder of one-region pictures with 8 features; edit may spoil the lines.
func folder(tb testing.TB, n int, edit func(features, predictions []string)) string {
	tb.Helper()
	dir := tb.TempDir()
	var features, predictions []string
	for i := range n {
		features = append(features, fmt.Sprintf("%d\t1\t%s", i, encode(float32(i), 2, .1, .2, .3, .4, .2, .2)))
		predictions = append(predictions, fmt.Sprintf(`%d	{"image_h": 10, "image_w": 20, "objects": [{"class": "c%d", "rect": [2, 2, 6, 4], "conf": 0.5}]}`, i, i))
	}
	if edit != nil {
		edit(features, predictions)
	}
	for name, lines := range map[string][]string{"features.tsv": features, "predictions.tsv": predictions} {
		require.NoError(tb, os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(lines, "\n")), 0o644))
	}
	return dir
}

func TestBadRows(t *testing.T) {
	const good = `{"image_h": 10, "image_w": 20, "objects": [`
	for name, c := range map[string]struct {
		feature, prediction string // replaces row 2, unless empty
		file                string // to blame
		want                string // part of the message
	}{
		"short":             {feature: "2\t1", file: "features.tsv:3", want: "fewer than 3 columns"},
		"no count":          {feature: "2\tx\tAAAA", file: "features.tsv:3", want: `number of boxes is "x"`},
		"negative count":    {feature: "2\t-1\tAAAA", file: "features.tsv:3", want: "number of boxes"},
		"huge count":        {feature: "2\t99999999\tAAAA", file: "features.tsv:3", want: "number of boxes"},
		"broken base64":     {feature: "2\t1\tAA*A", file: "features.tsv:3", want: "illegal base64"},
		"cut base64":        {feature: "2\t1\t" + encode(1, 2)[:9], file: "features.tsv:3", want: "illegal base64"},
		"half a float":      {feature: "2\t1\tAAAA", file: "features.tsv:3", want: "no float32"},
		"uneven":            {feature: "2\t3\t" + encode(1, 2, 3, 4), file: "features.tsv:3", want: "do not make 3 rows"},
		"other size":        {feature: "2\t1\t" + encode(1, 2, 3, 4, 5, 6, 7), file: "features.tsv:3", want: "7 features a region, and 8"},
		"NaN":               {feature: "2\t1\t//////////////////////////////////////////8=", file: "features.tsv:3", want: "NaN"},
		"another image":     {feature: "77\t1\t" + encode(make([]float32, 8)...), file: "features.tsv:3", want: `"77"`},
		"no regions":        {feature: "2\t0\t", prediction: "2\t[]", file: "features.tsv:3", want: "no regions"},
		"counts disagree":   {prediction: "2\t[]", file: "predictions.tsv:3", want: "0 objects, and 1 regions in line 3"},
		"no JSON":           {prediction: "2", file: "predictions.tsv:3", want: "1 columns"},
		"broken JSON":       {prediction: "2\t" + good, file: "predictions.tsv:3", want: "detections"},
		"no size":           {prediction: `2	{"objects": [{"class": "a"}]}`, file: "predictions.tsv:3", want: "image_h"},
		"zero size":         {prediction: `2	{"image_h": 0, "image_w": 1, "objects": []}`, file: "predictions.tsv:3", want: "0"},
		"count in the JSON": {prediction: `2	{"image_h": 1, "image_w": 1, "num_boxes": 4, "objects": [{"class": "a"}]}`, file: "predictions.tsv:3", want: "num_boxes says 4"},
		"no class":          {prediction: `2	[{"rect": [1,2,3,4]}]`, file: "predictions.tsv:3", want: "no class"},
		"short rect":        {prediction: `2	[{"class": "a", "rect": [1,2,3]}]`, file: "predictions.tsv:3", want: "rect of 3"},
		"missing":           {prediction: `22	[{"class": "a"}]`, file: "predictions.tsv", want: "no such image"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, 5, func(f, p []string) {
				if c.feature != "" {
					f[2] = c.feature
				}
				if c.prediction != "" {
					p[2] = c.prediction
				}
			})
			ids := []string{"0", "1", "2", "3", "4"}
			// The ids are those of imageid2idx.json, as in a folder that was once whole.
			require.NoError(t, os.WriteFile(filepath.Join(dir, "imageid2idx.json"), []byte(`{"0":0,"1":1,"2":2,"3":3,"4":4}`), 0o644))

			d := open(t, dir, nil)
			var err error
			n := 0
			for _, err = range d.Images(context.Background(), ids) {
				n++
			}
			var row *RowError
			require.ErrorAs(t, err, &row)
			require.Equal(t, 3, n, "two pictures, then the error")
			require.ErrorContains(t, err, c.file)
			require.ErrorContains(t, err, c.want)
			require.Equal(t, "2", row.ID)

			var bad []*RowError
			d = open(t, dir, &Options{OnBad: func(e *RowError) error { bad = append(bad, e); return nil }})
			require.Len(t, all(t, d, ids), 4)
			require.Len(t, bad, 1)
		})
	}
}

func TestDuplicateImages(t *testing.T) {
	dir := folder(t, 3, func(f, p []string) {
		f[2], p[2] = strings.Replace(f[2], "2", "1", 1), strings.Replace(p[2], "2", "1", 1)
	})
	_, err := Open(context.Background(), dir, nil)
	require.ErrorContains(t, err, "in line 2 already")
	n := 0
	d := open(t, dir, &Options{OnBad: func(*RowError) error { n++; return nil }})
	require.Equal(t, 2, n, "once in each file")
	require.Equal(t, []string{"0", "1"}, d.IDs())
}

func TestBadIndexes(t *testing.T) {
	for name, c := range map[string]struct{ file, text string }{
		"no number":      {"features.lineidx", "0\nx\n"},
		"backwards":      {"features.lineidx", "0\n50\n20\n"},
		"not from 0":     {"features.lineidx", "5\n50\n"},
		"past the end":   {"features.lineidx", "0\n5000000\n"},
		"empty":          {"features.lineidx", ""},
		"of other lines": {"predictions.lineidx", "0\n3\n"},
		"JSON":           {"imageid2idx.json", "[1,2]"},
		"line too far":   {"imageid2idx.json", `{"1": 99}`},
		"negative line":  {"imageid2idx.json", `{"1": -1}`},
	} {
		dir := folder(t, 3, nil)
		require.NoError(t, os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o644))
		_, err := Open(context.Background(), dir, nil)
		require.ErrorIs(t, err, ErrLineIndex, name)
		require.ErrorContains(t, err, "delete", name)
	}
	dir := folder(t, 3, nil)
	require.NoError(t, os.Remove(filepath.Join(dir, "predictions.tsv")))
	_, err := Open(context.Background(), dir, nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Open(context.Background(), folder(t, 3, nil), &Options{Dim: 99})
	require.ErrorContains(t, err, "8 features")
	_, err = Open(context.Background(), dir, &Options{Detection: 77})
	require.ErrorIs(t, err, ErrDetection)
}

func TestStoppingEarly(t *testing.T) {
	defer goleak.VerifyNone(t)
	d := open(t, folder(t, 100, nil), &Options{Workers: 4})
	n := 0
	for range d.Images(context.Background(), d.IDs()) {
		if n++; n == 3 {
			break
		}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	why := errors.New("enough")
	var last error
	for _, last = range d.Images(ctx, d.IDs()) {
		cancel(why)
	}
	require.ErrorIs(t, last, why)
	_, err := Open(ctx, folder(t, 3, nil), nil)
	require.ErrorIs(t, err, why)
}

func TestProgress(t *testing.T) {
	var got []int
	d := open(t, folder(t, 5, nil), &Options{Progress: func(done, total int) { got = append(got, done, total) }})
	all(t, d, d.IDs())
	require.Equal(t, []int{1, 5, 2, 5, 3, 5, 4, 5, 5, 5}, got)
}

func TestKeys(t *testing.T) {
	keys, err := readKeys(strings.NewReader("3\r\n\n1\tx\n 2 \n"))
	require.NoError(t, err)
	require.Equal(t, []string{"3", "1", "2"}, keys)
	for name, text := range map[string]string{"empty": "\n\n", "twice": "1\n2\n1\n"} {
		_, err := readKeys(strings.NewReader(text))
		require.ErrorIs(t, err, ErrKeys, name)
	}
}
