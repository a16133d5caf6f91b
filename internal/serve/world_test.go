package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/scenes"
)

// world is a collection of generated scenes, with photos on disk, an index, and a
// model that sees what the scenes show: a region's vector is the sum of the vectors
// of the words that a person would use for it. So searches have right answers.
type world struct {
	dir    string // of photos
	path   string // of the index
	scenes []*scenes.Scene
	model  *oracle
}

const worldDim = 96

// newWorld draws n scenes of the given size. The first few have their captions in
// the index too.
func newWorld(t testing.TB, n, size, captions int) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{dir: filepath.Join(dir, "photos"), path: filepath.Join(dir, "scenes.aladin"), model: &oracle{}}
	require.NoError(t, os.MkdirAll(filepath.Join(w.dir, "sub folder"), 0o755))
	b, err := index.NewBuilder(w.path, nil)
	require.NoError(t, err)
	defer b.Close()
	for s := range scenes.New(7, &scenes.Options{Size: size}).Range(t.Context(), 0, n) {
		w.scenes = append(w.scenes, s)
		id := w.id(len(w.scenes) - 1)
		f, err := os.Create(filepath.Join(w.dir, filepath.FromSlash(id)))
		require.NoError(t, err)
		require.NoError(t, (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(f, s.Image))
		require.NoError(t, f.Close())
		enc := w.model.learn(s)
		require.NoError(t, b.Add(context.Background(), index.Item{ID: id, Encoding: enc, Tags: sceneTags(s), Meta: []byte(fmt.Sprintf(`{"objects":%d}`, len(s.Objects)))}))
	}
	for i := range min(captions, n) {
		for j, c := range w.scenes[i].Captions {
			enc, err := w.model.encodeText(t.Context(), c.Text)
			require.NoError(t, err)
			require.NoError(t, b.Add(context.Background(), index.Item{ID: fmt.Sprintf("%s#%d", w.id(i), j), Encoding: enc}))
		}
	}
	require.NoError(t, b.Finish(context.Background()))
	return w
}

// id is the path of a scene's photo; some lie in a folder whose name needs care.
func (w *world) id(i int) string {
	if i%5 == 0 {
		return fmt.Sprintf("sub folder/é%% %03d.png", i)
	}
	return fmt.Sprintf("scene %03d.png", i)
}

func (w *world) open(t testing.TB) *index.Index {
	t.Helper()
	ix, err := index.Open(w.path, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ix.Close()) })
	return ix
}

func (w *world) collection(t testing.TB) *aladin.Collection {
	t.Helper()
	return &aladin.Collection{Model: w.model, Index: w.open(t)}
}

func (w *world) server(t testing.TB, opts Options) *Server {
	t.Helper()
	if opts.Images == "" && opts.Photos == nil {
		opts.Images = w.dir
	}
	s, err := New(t.Context(), w.collection(t), w.path, &opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// listen serves on a loopback address.
func listen(t testing.TB, s *Server) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	return srv
}

// call asks the server without a network.
func call(s *Server, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	s.Handler().ServeHTTP(rec, r)
	return rec
}

func get(s *Server, url string) *httptest.ResponseRecorder {
	return call(s, httptest.NewRequest(http.MethodGet, url, nil))
}

func sceneTags(s *scenes.Scene) []string {
	tags := []string{"on " + s.Floor.String()}
	for _, o := range s.Objects {
		tags = append(tags, o.Colour.String())
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}

// oracle is a model that knows the scenes.
type oracle struct {
	textOnly bool
	print    string
	known    []learned
	slow     func(context.Context) error // called by each encoding
}

type learned struct {
	look [192]float64
	enc  *index.Encoding
}

func (o *oracle) Fingerprint() string { return "oracle" + o.print }

// Unknown are the words in Chinese, and a dog that was misspelt.
func (o *oracle) Unknown(text string) (words []aladin.UnknownWord, all bool) {
	n := 0
	for start, end := range wordsIn(text) {
		n++
		if w := text[start:end]; strings.ContainsFunc(w, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
			words = append(words, aladin.UnknownWord{Text: w, Start: start, End: end, Unreadable: true})
		} else if w == "dgo" {
			words = append(words, aladin.UnknownWord{Text: w, Start: start, End: end, Nearest: "dog"})
		}
	}
	return words, n > 0 && n == len(words)
}

// Close implements aladin.Encoder.
func (o *oracle) Close() error { return nil }

// Encode implements aladin.Encoder.
func (o *oracle) Encode(ctx context.Context, in aladin.Input) (*index.Encoding, error) {
	if in.Data == nil {
		return o.encodeText(ctx, in.Text)
	}
	e, err := o.encodePhoto(ctx, in.Data)
	if err != nil && !errors.Is(err, aladin.ErrNoPixels) {
		err = &aladin.InputError{Input: in.Name, Err: err}
	}
	return e, err
}

func (o *oracle) encodeText(ctx context.Context, text string) (*index.Encoding, error) {
	if o.slow != nil {
		if err := o.slow(ctx); err != nil {
			return nil, err
		}
	}
	if !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
		return nil, aladin.ErrNoWords
	}
	e := &index.Encoding{Kind: index.Caption, Model: o.Fingerprint(), Text: text, Matching: make([]float32, worldDim)}
	add := func(word string, start, end int, weight float32, v []float32) {
		e.Words = append(e.Words, index.Word{Text: word, Start: start, End: end})
		e.Weights = append(e.Weights, weight)
		e.Tokens = append(e.Tokens, v...)
		for i := range v {
			e.Matching[i] += weight * v[i]
		}
	}
	add("[CLS]", 0, 0, 0, wordVector("[CLS]"))
	for start, end := range wordsIn(text) {
		w := text[start:end]
		weight := float32(1)
		if slices.Contains([]string{"a", "an", "the", "of", "on", "in", "and", "is", "to", "with", "there", "that", "by", "at"}, strings.ToLower(w)) {
			weight = 0
		}
		add(w, start, end, weight, wordVector(singular(strings.ToLower(w))))
	}
	normalise(e.Matching)
	return e, nil
}

// singular undoes the plurals of the world's nouns.
func singular(word string) string {
	for _, es := range []string{"ches", "shes", "xes", "sses"} {
		if strings.HasSuffix(word, es) {
			return strings.TrimSuffix(word, "es")
		}
	}
	if stem, ok := strings.CutSuffix(word, "ies"); ok {
		return stem + "y"
	}
	if strings.HasSuffix(word, "ss") {
		return word
	}
	return strings.TrimSuffix(word, "s")
}

func wordsIn(text string) func(yield func(int, int) bool) {
	return func(yield func(int, int) bool) {
		start := -1
		for i, r := range text + " " {
			letter := unicode.IsLetter(r) || unicode.IsDigit(r)
			if letter && start < 0 {
				start = i
			}
			if !letter && start >= 0 {
				if !yield(start, i) {
					return
				}
				start = -1
			}
		}
	}
}

func (o *oracle) encodePhoto(ctx context.Context, data []byte) (*index.Encoding, error) {
	if _, err := picture.Decode(ctx, bytes.NewReader(data), nil); err != nil {
		return nil, err
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if o.textOnly {
		return nil, aladin.ErrNoPixels
	}
	look, best, least := lookOf(img), 0, math.Inf(1)
	for i := range o.known {
		var d float64
		for j, x := range o.known[i].look {
			d += (x - look[j]) * (x - look[j])
		}
		if d < least {
			best, least = i, d
		}
	}
	return o.known[best].enc, nil
}

// lookOf is the mean colours of an 8 × 8 grid.
func lookOf(img image.Image) (look [192]float64) {
	b := img.Bounds()
	for y := range 8 {
		for x := range 8 {
			const probes = 16
			for p := range probes {
				px := b.Min.X + (x*probes+p)*b.Dx()/(8*probes)
				py := b.Min.Y + (y*probes+(p*7)%probes)*b.Dy()/(8*probes)
				r, g, bl, _ := img.At(px, py).RGBA()
				for c, v := range []uint32{r, g, bl} {
					look[(y*8+x)*3+c] += float64(v) / (65535 * probes)
				}
			}
		}
	}
	return look
}

// learn encodes a scene by what it shows.
func (o *oracle) learn(s *scenes.Scene) *index.Encoding {
	e := &index.Encoding{Kind: index.Image, Model: o.Fingerprint(), Matching: make([]float32, worldDim)}
	add := func(box index.Box, label string, words map[string]float32) {
		v := make([]float32, worldDim)
		for w, k := range words {
			for i, x := range wordVector(w) {
				v[i] += k * x
			}
		}
		normalise(v)
		for i := range v {
			e.Matching[i] += v[i]
		}
		e.Tokens = append(e.Tokens, v...)
		e.Boxes = append(e.Boxes, box)
		e.Labels = append(e.Labels, label)
	}
	for i := range s.Objects {
		obj := &s.Objects[i]
		add(index.Box(obj.Box), obj.Noun(), map[string]float32{
			obj.Noun(): 1, obj.Colour.String(): 0.9, obj.Material.String(): 0.4, obj.Size.String(): 0.3})
	}
	add(index.Box{0, 0.5, 1, 1}, s.Floor.String(), map[string]float32{s.Floor.String(): 1})
	if s.Wall != scenes.NoWall {
		add(index.Box{0, 0, 1, 0.4}, s.Wall.String(), map[string]float32{s.Wall.String(): 1})
	}
	normalise(e.Matching)
	if s.Image != nil { // else it was only described
		o.known = append(o.known, learned{lookOf(s.Image), e})
	}
	return e
}

// wordVector is a direction of its own for each word.
func wordVector(word string) []float32 {
	h := fnv.New64a()
	h.Write([]byte(word))
	rng := rand.New(rand.NewPCG(h.Sum64(), 1))
	v := make([]float32, worldDim)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	normalise(v)
	return v
}

func normalise(v []float32) {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		return
	}
	k := float32(1 / math.Sqrt(sum))
	for i := range v {
		v[i] *= k
	}
}
