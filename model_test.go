package aladin

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/scenes"
	"github.com/aladin-go/aladin/internal/testmodel"
)

func TestMain(m *testing.M) {
	if !ort.Available() {
		// Examples cannot skip themselves.
		if err := flag.Set("test.skip", "^Example"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		AtExit()
		os.Exit(code)
	}))
}

// tiny opens a small random model.
func tiny(tb testing.TB, o testmodel.Options) *Model {
	tb.Helper()
	if !ort.Available() {
		_, err := ort.Library()
		tb.Skip("needs ONNX Runtime: ", err)
	}
	m, err := OpenModel(testmodel.New(tb, o), &Options{Threads: 2})
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, m.Close()) })
	return m
}

// scene is the i-th picture of the tests, as a file and in memory.
func scene(tb testing.TB, i int) (string, image.Image) {
	tb.Helper()
	img := scenes.New(7, nil).Scene(i).Image
	var b bytes.Buffer
	require.NoError(tb, png.Encode(&b, img))
	path := filepath.Join(tb.TempDir(), "scene.png")
	require.NoError(tb, os.WriteFile(path, b.Bytes(), 0o600))
	return path, img
}

func norm(v []float32) float64 {
	var s float64
	for _, x := range v {
		s += float64(x) * float64(x)
	}
	return math.Sqrt(s)
}

func near(t *testing.T, want, got *Encoding) {
	t.Helper()
	opt := cmp.Comparer(func(a, b float32) bool { return math.Abs(float64(a-b)) < 2e-5 })
	assert.Empty(t, cmp.Diff(want, got, opt), "(-want +got)")
}

func TestEncodeText(t *testing.T) {
	m := tiny(t, testmodel.Options{})
	text := "Two GREEN cubes, left of a  turquoise-ish bottle."
	e, err := m.Encode(t.Context(), Text(text))
	require.NoError(t, err)
	assert.Equal(t, KindCaption, e.Kind)
	assert.Equal(t, m.Fingerprint(), e.Model)
	assert.Equal(t, text, e.Text)
	assert.InDelta(t, 1, norm(e.Matching), 1e-5)
	require.Equal(t, e.N()*m.dim(), len(e.Tokens))
	require.Len(t, e.Words, e.N())
	var words []string
	for i, w := range e.Words {
		assert.Equal(t, w.Text, text[w.Start:w.End])
		assert.Positive(t, e.Weights[i])
		assert.InDelta(t, 1, norm(e.Tokens[i*m.dim():(i+1)*m.dim()]), 1e-5)
		if len(words) == 0 || words[len(words)-1] != w.Text {
			words = append(words, w.Text)
		}
	}
	assert.Equal(t, []string{"Two", "GREEN", "cubes", ",", "left", "of", "a", "turquoise", "-", "ish", "bottle", "."}, words)

	long, err := m.Encode(t.Context(), Text(strings.Repeat("red ball ", 500)))
	require.NoError(t, err)
	assert.LessOrEqual(t, long.N(), 22, "cut to the model's length")
	for _, s := range []string{"犬と猫 🐶", "a \xff b", "[MASK] [SEP]", "\x00 dog"} {
		_, err := m.Encode(t.Context(), Text(s))
		require.NoError(t, err, "%q", s)
	}
}

func TestEncodeReleased(t *testing.T) {
	m := tiny(t, testmodel.Options{Released: true, Precomputed: true})
	e, err := m.Encode(t.Context(), Text("a red ball ."))
	require.NoError(t, err)
	assert.Equal(t, "ball", e.Words[e.N()-1].Text, "the last piece takes no part")
	x, err := m.Encode(t.Context(), Regions(someRegions(4, 12)))
	require.NoError(t, err)
	require.Equal(t, 4, x.N(), "regions 1, 2, 3 and a null region")
	assert.Zero(t, norm(x.Tokens[3*m.dim():]))
	assert.Equal(t, index.Box{}, x.Boxes[3])
	assert.Equal(t, []string{"dog", "", "dog", ""}, x.Labels)

	_, err = m.Encode(t.Context(), Image(image.NewGray(image.Rect(0, 0, 9, 9))))
	require.ErrorIs(t, err, ErrNoPixels)
	require.ErrorContains(t, err, "--features")
	assert.False(t, m.Info().Pixels)
}

func someRegions(n, dim int) *RegionSet {
	r := &RegionSet{Dim: dim}
	for i := range n {
		for k := range dim {
			r.Features = append(r.Features, float32((i*7+k*3)%11)/5-1)
		}
		r.Boxes = append(r.Boxes, index.Box{float32(i) / 8, 0, float32(i+1) / 8, 1})
		r.Labels = append(r.Labels, []string{"", "dog"}[i%2])
	}
	return r
}

// With Reproducible an encoding does not depend on what else is encoded with it. Means on many threads are where
// it would: ONNX Runtime then cuts products of few rows another way.
func TestReproducible(t *testing.T) {
	tiny := tiny(t, testmodel.Options{Hidden: 128, MeanPool: true})
	m, err := OpenModel(tiny.bundle.Dir(), &Options{Threads: 8, Reproducible: true})
	require.NoError(t, err)
	defer m.Close()
	var texts, pictures []Input
	for i := range 40 {
		s := scenes.New(7, nil).Scene(i)
		texts, pictures = append(texts, Text(s.Captions[0].Text)), append(pictures, Image(s.Image))
	}
	for _, ins := range [][]Input{texts, pictures} {
		want, err := m.EncodeBatch(t.Context(), ins)
		require.NoError(t, err)
		for _, n := range []int{1, 7} {
			for i := 0; i < len(ins); i += n {
				part := ins[i:min(i+n, len(ins))]
				got, err := m.EncodeBatch(t.Context(), part)
				require.NoError(t, err)
				require.Equal(t, want[i:i+len(part)], got, "%d at once", n)
			}
		}
	}
}

func TestEncodeImage(t *testing.T) {
	m := tiny(t, testmodel.Options{})
	path, img := scene(t, 0)
	a, err := m.Encode(t.Context(), ImageFile(path))
	require.NoError(t, err)
	b, err := m.Encode(t.Context(), Image(img))
	require.NoError(t, err)
	near(t, a, b)
	assert.Equal(t, KindImage, a.Kind)
	assert.Equal(t, 17, a.N())
	assert.Equal(t, index.Box{0, 0, 1, 1}, a.Boxes[0])
	assert.Len(t, a.Labels, 17)
	assert.InDelta(t, 1, Match(a, b), 1e-5)
	assert.True(t, m.Info().Pixels)
	assert.True(t, math.IsNaN(float64(Match(a, &Encoding{}))))

	limited, err := OpenModel(m.bundle.Dir(), &Options{MaxPixels: 100})
	require.NoError(t, err)
	defer limited.Close()
	_, err = limited.Encode(t.Context(), ImageFile(path))
	require.ErrorIs(t, err, ErrInput)
}

// What else is in a batch does not matter, nor its order; bad inputs leave the others alone.
func TestEncodeBatch(t *testing.T) {
	m := tiny(t, testmodel.Options{})
	path, img := scene(t, 1)
	var ins []Input
	for i := range 70 {
		ins = append(ins, Text(strings.Repeat("a green cube ", i%9+1)))
	}
	for range 20 {
		ins = append(ins, ImageFile(path))
	}
	ins = append(ins, Image(img), Text("  "), ImageFile("nowhere.jpg"), Input{}, Image(nil), Regions(someRegions(3, 192)), Regions(someRegions(3, 5)), Regions(nil), Regions(&RegionSet{Dim: 192}))
	out, err := m.EncodeBatch(t.Context(), ins)
	require.ErrorIs(t, err, ErrInput)
	var first *InputError
	require.True(t, errors.As(err, &first))
	assert.Equal(t, 91, first.Index)
	for _, want := range []string{`text "  ": there are no words in it`, "nowhere.jpg: ", `text "": there are no words in it`, "picture: it has no pixels", "regions of 5 features; the model reads 192", "there are no regions"} {
		assert.ErrorContains(t, err, want)
	}
	var bad []int
	for i, e := range out {
		if e == nil {
			bad = append(bad, i)
			continue
		}
		if i%10 == 0 {
			one, err := m.Encode(t.Context(), ins[i])
			require.NoError(t, err)
			near(t, one, e)
		}
	}
	assert.Equal(t, []int{91, 92, 93, 94, 96, 97, 98}, bad)

	none, err := m.EncodeBatch(t.Context(), nil)
	require.NoError(t, err)
	assert.Empty(t, none)
}

func TestTextCache(t *testing.T) {
	m := tiny(t, testmodel.Options{})
	a, err := m.Encode(t.Context(), Text("a red ball"))
	require.NoError(t, err)
	want := slices.Clone(a.Matching)
	clear(a.Matching)
	b, err := m.Encode(t.Context(), Text("a red ball"))
	require.NoError(t, err)
	assert.Equal(t, want, b.Matching, "what a caller does with an encoding stays with the caller")

	c := newTextCache(2)
	for _, s := range []string{"a", "b", "a", "c"} {
		if c.lookup(s) == nil {
			c.add(s, &Encoding{Text: s})
		}
	}
	assert.Nil(t, c.lookup("b"), "the one not used longest is forgotten")
	assert.NotNil(t, c.lookup("a"))
	off := newTextCache(-1)
	off.add("a", &Encoding{})
	assert.Nil(t, off.lookup("a"))
}

func TestUnknown(t *testing.T) {
	m := tiny(t, testmodel.Options{})
	learned := tiny(t, testmodel.Options{Learned: true})
	for text, want := range map[string]struct {
		words   []string // of any model
		all     bool
		learned []string // of one that knows what it was trained with
		none    bool
	}{
		"a red zyzzyva":       {nil, false, []string{"zyzzyva"}, false}, // in pieces
		"Yelow, yellows, red": {nil, false, []string{"Yelow: yellow?", "yellows: yellow?"}, false},
		"zyzzyva":             {nil, false, []string{"zyzzyva"}, true},
		"a red 犬, 猫!":         {[]string{"犬", "猫"}, false, []string{"犬", "猫"}, false},
		"犬と":                  {[]string{"犬", "と"}, true, []string{"犬", "と"}, true},
		"":                    {nil, false, nil, false},
		"🐶":                   {[]string{"🐶"}, true, []string{"🐶"}, true},
	} {
		names := func(m *Model) (out []string, all bool) {
			words, all := m.Unknown(text)
			for _, w := range words {
				out = append(out, w.String())
				assert.Equal(t, w.Text, text[w.Start:w.End])
			}
			return out, all
		}
		words, all := names(m)
		assert.Equal(t, want.words, words, text)
		assert.Equal(t, want.all, all, text)
		words, all = names(learned)
		assert.Equal(t, want.learned, words, text)
		assert.Equal(t, want.none, all, text)
	}
	many, _ := learned.Unknown(strings.Repeat("zyzzy yelow ", 200))
	require.Len(t, many, 400, "all are named, though the nearest is looked for a few only")
	assert.Equal(t, "yellow", many[1].Nearest)
	assert.Empty(t, many[399].Nearest)
}

// A text that is longer than the model reads says where its reading ends, and so does a search with it.
func TestUnread(t *testing.T) {
	m := tiny(t, testmodel.Options{})
	short, err := m.Encode(t.Context(), Text("a red mug "))
	require.NoError(t, err)
	assert.Zero(t, short.Unread)
	long, err := m.Encode(t.Context(), Text(strings.Repeat("a red mug ", 40)))
	require.NoError(t, err)
	require.Positive(t, long.Unread)
	read := long.Text[:len(long.Text)-long.Unread]
	assert.Equal(t, 22, len(strings.Fields(read)), "of 24 tokens two are [CLS] and [SEP]")
	again, err := m.Encode(t.Context(), Text(read))
	require.NoError(t, err)
	assert.Zero(t, again.Unread)
	assert.Equal(t, long.Matching, again.Matching)
	assert.Equal(t, `The text is longer than the model reads: what comes after "… red mug a" does not count.`, cutWarning(long.Text, long.Unread))
}

func TestUnknownWarns(t *testing.T) {
	m := tiny(t, testmodel.Options{Learned: true})
	for text, want := range map[string]string{
		"a red mug":     "",
		"a red zyzzyva": `The model does not know the word "zyzzyva".`,
		"a yelow mug":   `The model never learned the word "yelow". Is "yellow" meant?`,
		"yellows":       `The model never learned the word "yellows". Is "yellow" meant?`,
		"zyzzyva":       `The model knows no word of "zyzzyva": what is found means nothing.`,
		"yelow zyzzyva": `The model does not know the words "yelow" ("yellow"?), "zyzzyva".`,
	} {
		words, all := m.Unknown(text)
		assert.Equal(t, want, warning(text, words, all), text)
	}
}

func TestOpenErrors(t *testing.T) {
	_, err := OpenModel(t.TempDir(), nil)
	require.ErrorIs(t, err, ErrNotModel)
	dir := testmodel.New(t, testmodel.Options{})
	_, err = OpenModel(dir, &Options{Threads: -1})
	require.Error(t, err)
	_, err = OpenModel(dir, &Options{MaxPixels: -1})
	require.Error(t, err)
	if ort.Available() {
		m, err := OpenModel(dir, &Options{Device: "toaster"})
		require.NoError(t, err)
		_, err = m.Encode(t.Context(), Text("dog"))
		require.ErrorContains(t, err, "toaster")
		require.NoError(t, m.Close())
	}

	skeleton := filepath.Join(t.TempDir(), "skeleton")
	_, err = bundle.Create(skeleton, bundle.Manifest{Name: "bare", Dims: bundle.Dims{Region: 4}, Regions: bundle.Regions{Kind: bundle.Precomputed}}, nil)
	require.NoError(t, err)
	_, err = OpenModel(skeleton, nil)
	require.ErrorIs(t, err, ErrNoEncoder)

	f, err := os.OpenFile(filepath.Join(dir, bundle.TextFile), os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{1}, 100)
	require.NoError(t, errors.Join(err, f.Close()))
	m, err := OpenModel(dir, nil)
	require.NoError(t, err)
	_, err = m.Encode(t.Context(), Text("dog"))
	require.ErrorIs(t, err, ErrCorrupt)
	require.NoError(t, m.Close())
}

func TestCloseAndCancel(t *testing.T) {
	m := tiny(t, testmodel.Options{})
	path, _ := scene(t, 2)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, in := range []Input{Text("dog"), ImageFile(path)} {
		_, err := m.Encode(ctx, in)
		require.ErrorIs(t, err, context.Canceled)
	}
	_, err := m.Encode(t.Context(), Text("dog"))
	require.NoError(t, err)
	device, err := m.Device()
	require.NoError(t, err)
	assert.Equal(t, "cpu", device)
	require.NoError(t, m.Close())
	require.NoError(t, m.Close())
	_, err = m.Device()
	require.ErrorIs(t, err, ErrClosed)
	for _, in := range []Input{Text("dog"), Text("another"), ImageFile(path)} {
		_, err := m.Encode(t.Context(), in)
		require.ErrorIs(t, err, ErrClosed)
	}
}

func TestConcurrent(t *testing.T) {
	m := tiny(t, testmodel.Options{})
	path, img := scene(t, 3)
	want, err := m.EncodeBatch(t.Context(), []Input{Text("a red ball"), ImageFile(path)})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for range 4 {
				in := []Input{Text("a red ball"), ImageFile(path)}
				if g%2 == 1 {
					in[1] = Image(img)
				}
				got, err := m.EncodeBatch(t.Context(), in)
				if assert.NoError(t, err) {
					near(t, want[0], got[0])
					near(t, want[1], got[1])
				}
				_, err = m.Encode(t.Context(), Text("a red ball"))
				assert.NoError(t, err)
				_, err = m.Align(t.Context(), got[0], got[1])
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
}

// alignedByHand is the definition, by itself.
func alignedByHand(words, regions *Encoding) float32 {
	dim := len(words.Matching)
	var score float64
	for w := range words.N() {
		best := math.Inf(-1)
		for r := range regions.N() {
			if weight(regions, r) == 0 {
				continue
			}
			var s float64
			for k := range dim {
				s += float64(words.Tokens[w*dim+k]) * float64(regions.Tokens[r*dim+k])
			}
			best = max(best, s)
		}
		score += float64(weight(words, w)) * best
	}
	return float32(score)
}

func TestAlign(t *testing.T) {
	m := tiny(t, testmodel.Options{})
	path, _ := scene(t, 4)
	x, err := m.Encode(t.Context(), ImageFile(path))
	require.NoError(t, err)
	x.Weights[0] = 0
	text := "a turquoise-ish bottle near a zyzzyva"
	q, err := m.Encode(t.Context(), Text(text))
	require.NoError(t, err)
	a, err := m.Align(t.Context(), q, x)
	require.NoError(t, err)
	back, err := m.Align(t.Context(), x, q)
	require.NoError(t, err)
	assert.Equal(t, a, back)
	assert.InDelta(t, alignedByHand(q, x), a.Score, 1e-4)
	var sum, weights float64
	var words []string
	for _, w := range a.Words {
		sum += float64(w.Weight) * float64(w.Similarity)
		weights += float64(w.Weight)
		words = append(words, w.Word)
		assert.Equal(t, w.Word, text[w.Start:w.End])
		assert.Positive(t, w.Region, "region 0 takes no part")
		assert.Equal(t, x.Boxes[w.Region], w.Box)
	}
	assert.InDelta(t, a.Score, sum, 1e-4)
	assert.Equal(t, []string{"a", "turquoise", "-", "ish", "bottle", "near", "a", "zyzzyva"}, words, "pieces are joined")
	assert.InDelta(t, float64(q.N()), weights, 1e-5)
	assert.GreaterOrEqual(t, a.Coverage, float32(0))

	other := tiny(t, testmodel.Options{Seed: 3})
	y, err := other.Encode(t.Context(), Text(text))
	require.NoError(t, err)
	_, err = m.Align(t.Context(), y, x)
	require.ErrorIs(t, err, ErrModelMismatch)
	require.ErrorContains(t, err, y.Model)
	_, err = m.Align(t.Context(), nil, x)
	require.ErrorIs(t, err, index.ErrInvalid)
	_, err = m.Align(t.Context(), &Encoding{Model: m.Fingerprint()}, x)
	require.ErrorIs(t, err, ErrNoTokens)
	broken := *x
	broken.Boxes = broken.Boxes[:3]
	_, err = m.Align(t.Context(), q, &broken)
	require.ErrorIs(t, err, index.ErrInvalid)
}

// The kernels, the graph and the definition agree, also for weights below 0.
func TestAlignScores(t *testing.T) {
	m := tiny(t, testmodel.Options{Released: true, Precomputed: true})
	var captions, images []*Encoding
	for i := range 40 {
		q, err := m.Encode(t.Context(), Text(strings.Repeat("a red ball and two cubes ", 1+i%3)))
		require.NoError(t, err)
		if i%4 == 1 {
			for k := range q.Weights {
				q.Weights[k] *= float32(k%3) - 1
			}
		}
		captions = append(captions, q)
		x, err := m.Encode(t.Context(), Regions(someRegions(2+i%9, 12)))
		require.NoError(t, err)
		images = append(images, x)
	}
	kernels, err := m.AlignScores(t.Context(), captions, images)
	require.NoError(t, err)
	r, err := m.aligner.get()
	require.NoError(t, err)
	graph := make([]float32, len(kernels))
	require.NoError(t, m.alignDevice(t.Context(), r, captions, images, graph))
	assert.InDeltaSlice(t, kernels, graph, 1e-5)
	for i, q := range captions {
		for j, x := range images {
			want := alignedByHand(q, x)
			tolerance := 0.01 * float64(q.N())
			require.InDelta(t, want, kernels[i*len(images)+j], tolerance)
			require.InDelta(t, want, graph[i*len(images)+j], tolerance)
		}
	}
	none, err := m.AlignScores(t.Context(), nil, images)
	require.NoError(t, err)
	assert.Empty(t, none)
	_, err = m.AlignScores(t.Context(), []*Encoding{{}}, images)
	require.ErrorIs(t, err, ErrModelMismatch)
}

func TestEncodeSeq(t *testing.T) {
	m := tiny(t, testmodel.Options{})
	path, img := scene(t, 5)
	endless := func(yield func(Input) bool) {
		for i := 0; ; i++ {
			in := []Input{Text("a red ball"), ImageFile(path), {Name: "dream", Image: func() (image.Image, error) { return img, nil }}, ImageFile("none.jpg")}[i%4]
			if !yield(in) {
				return
			}
		}
	}
	n := 0
	for e, err := range m.EncodeSeq(t.Context(), endless) {
		if n%4 == 3 {
			require.ErrorIs(t, err, ErrInput)
			require.ErrorIs(t, err, os.ErrNotExist)
		} else {
			require.NoError(t, err)
			require.Equal(t, n%4 == 0, e.Kind == KindCaption, "in order")
		}
		if n++; n == 50 {
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, last = range m.EncodeSeq(ctx, endless) {
		cancel()
	}
	require.ErrorIs(t, last, context.Canceled)
	precomputed := tiny(t, testmodel.Options{Precomputed: true})
	_, err := precomputed.EncodeBatch(t.Context(), []Input{ImageFile("none.jpg")})
	require.ErrorIs(t, err, ErrNoPixels)
	out, err := precomputed.EncodeBatch(t.Context(), []Input{{Name: "row 7", Regions: func() (*RegionSet, error) { return nil, os.ErrClosed }}, Text("ball")})
	require.ErrorIs(t, err, os.ErrClosed)
	require.ErrorContains(t, err, "row 7")
	require.NotNil(t, out[1])
}
