package evalcmd

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/npy"
	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/source"
)

// timedImages are encoded one at a time, to know how long one takes.
const timedImages = 10

// gathering collects the encodings of one side. Tokens go to a file as they come, which is then mapped:
// those of a large collection need not fit in memory.
type gathering struct {
	path     string
	file     *npy.Writer
	dim      int
	start    []int
	weights  []float32
	vectors  []float32
	words    [][]word
	boxes    [][]region.Box
	labels   [][]string
	rankings []*index.Ranking
}

func newGathering(folder, name string) *gathering {
	return &gathering{path: filepath.Join(folder, name+".npy"), start: []int{0}}
}

func (g *gathering) add(enc *index.Encoding) error {
	if g.file == nil {
		g.dim = len(enc.Matching)
		var err error
		if g.file, err = npy.Create[float32](g.path, g.dim); err != nil {
			return err
		}
	}
	if len(enc.Matching) != g.dim || len(enc.Tokens)%g.dim != 0 {
		return fmt.Errorf("%w: an encoding of %d dimensions with %d token values among those of %d", errData, len(enc.Matching), len(enc.Tokens), g.dim)
	}
	g.rankings = append(g.rankings, enc.Ranking)
	g.vectors = append(g.vectors, enc.Matching...)
	n := len(enc.Tokens) / g.dim
	if n > 0 {
		if err := g.file.Append(enc.Tokens); err != nil {
			return err
		}
	}
	g.start = append(g.start, g.start[len(g.start)-1]+n)
	for k := range n {
		w := float32(1)
		if enc.Weights != nil {
			w = enc.Weights[k]
		}
		g.weights = append(g.weights, w)
	}
	words := make([]word, len(enc.Words))
	for k, w := range enc.Words {
		words[k] = word{w.Text, w.Start, w.End}
	}
	g.words = append(g.words, words)
	g.boxes = append(g.boxes, slices.Clone(enc.Boxes))
	g.labels = append(g.labels, enc.Labels)
	return nil
}

// finish closes the file and maps it; tokens are nil if no item had any.
func (g *gathering) finish(d *data) (eval.Vectors, *tokens, error) {
	if g.file == nil {
		return eval.Vectors{}, nil, fmt.Errorf("%w: nothing was encoded", errData)
	}
	if err := g.file.Close(); err != nil {
		return eval.Vectors{}, nil, err
	}
	vectors := eval.Vectors{Dim: g.dim, Data: g.vectors} // as long as the model made them: hubs are shorter
	if g.start[len(g.start)-1] == 0 {
		return vectors, nil, nil
	}
	m, err := npy.OpenMatrix(g.path)
	if err != nil {
		return eval.Vectors{}, nil, err
	}
	d.close = append(d.close, m.Close)
	values, ok := m.Float32s()
	if !ok { // a machine that stores numbers the other way round
		a, err := npy.ReadFile(g.path)
		if err != nil {
			return eval.Vectors{}, nil, err
		}
		if values, err = a.Float32s(); err != nil {
			return eval.Vectors{}, nil, err
		}
	}
	return vectors, &tokens{dim: g.dim, start: g.start, data: values, weights: g.weights}, nil
}

// install makes the two sides the data's.
func (d *data) install(images, captions *gathering) error {
	var err error
	if d.imageVectors, d.imageTokens, err = images.finish(d); err != nil {
		return err
	}
	if d.captionVectors, d.captionTokens, err = captions.finish(d); err != nil {
		return err
	}
	if d.imageTokens == nil || d.captionTokens == nil {
		d.imageTokens, d.captionTokens = nil, nil
	}
	if d.mode.MaxSim() && d.imageTokens != nil {
		d.rank(captions.rankings, images.labels)
	}
	d.boxes, d.labels = images.boxes, images.labels
	d.words = func(c int) []word { return captions.words[c] }
	return d.validate()
}

// newFolder is a folder for token files that goes when the data is closed.
func (d *data) newFolder() (string, error) {
	folder, err := os.MkdirTemp("", "aladin-eval-")
	if err == nil {
		d.close = append(d.close, func() error { return os.RemoveAll(folder) })
	}
	return folder, err
}

// encode makes the data of a source with a model. Images come from ix where it is not nil.
func encode(ctx context.Context, m *aladin.Model, src *source.Source, ix index.Searcher, timed int, tell teller) (_ *data, err error) {
	d := &data{model: m.Fingerprint(), asker: m}
	if m.Info().Untrained {
		d.notes = append(d.notes, "nobody trained this model's words and regions to be compared: search ranks by matching, whatever alignment and re-ranking say here")
	}
	d.close = append(d.close, m.Close, src.Close)
	if ix != nil {
		d.close = append(d.close, ix.Close)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	d.index = ix
	d.encodeText = func(ctx context.Context, text string) (*index.Encoding, error) {
		return m.Encode(ctx, aladin.Text(text))
	}
	folder, err := d.newFolder()
	if err != nil {
		return nil, err
	}
	images := newGathering(folder, "images")
	e := &encoding{m: m, d: d, tell: tell}
	if src, err = e.images(ctx, src, ix, images, timed); err != nil {
		return nil, err
	}
	if len(src.Captions) == 0 {
		return nil, fmt.Errorf("%w: no caption is left of %s", errData, src.Name)
	}
	for _, c := range src.Captions {
		d.captions, d.texts, d.owner = append(d.captions, c.ID), append(d.texts, c.Text), append(d.owner, c.Image)
	}
	captions := newGathering(folder, "captions")
	if err := e.captions(ctx, src, captions, timed); err != nil {
		return nil, err
	}
	d.source, d.photo = src.Name, func(i int) (*picture.File, error) { return src.Open(i, nil) }
	if len(src.Skipped) > 0 {
		d.notes = append(d.notes, fmt.Sprintf("left out of the source: %v", src.Skipped))
	}
	if err := e.truths(ctx, src); err != nil {
		return nil, err
	}
	return d, d.install(images, captions)
}

// encoding is a call of encode.
type encoding struct {
	m    *aladin.Model
	d    *data
	tell teller
}

// images encodes the pictures and returns the source without those that could not be.
func (e *encoding) images(ctx context.Context, src *source.Source, ix index.Searcher, to *gathering, timed int) (*source.Source, error) {
	d := e.d
	if ix != nil {
		return src, e.indexed(ctx, src, ix, to)
	}
	for k := range min(timedImages+1, len(src.Items), timed) {
		began := time.Now()
		if _, err := e.m.Encode(ctx, src.Input(k)); err == nil {
			d.cost.imageCalls = append(d.cost.imageCalls, time.Since(began))
		} else if inputErr := (*aladin.InputError)(nil); !errors.As(err, &inputErr) {
			return nil, err
		}
	}
	p := e.tell("encoding images", len(src.Items))
	defer p.Done()
	began := time.Now()
	var bad source.Skips
	i := -1
	for enc, err := range e.m.EncodeSeq(ctx, src.Inputs()) {
		i++
		p.Add(1)
		if in := (*aladin.InputError)(nil); errors.As(err, &in) {
			bad = append(bad, source.Skip{What: "photo", ID: src.Items[i].ID, Name: fmt.Sprintf("%q", src.Items[i].ID), Err: in.Err})
			p.Note("left out %q: %v", src.Items[i].ID, in.Err)
			continue
		}
		if err == nil {
			err = to.add(enc)
		}
		if err != nil {
			return nil, err
		}
		key, err := pictureKey(src, i, enc)
		if err != nil {
			return nil, err
		}
		d.images, d.imageKeys = append(d.images, src.Items[i].ID), append(d.imageKeys, key)
	}
	d.cost.images, d.cost.imageTime = len(d.images), time.Since(began)
	if len(bad) > 0 {
		d.lose(src, bad)
		src = src.Without(bad)
		d.notes = append(d.notes, fmt.Sprintf("could not be encoded: %v", bad))
	}
	return src, nil
}

// lose notes images that could not be encoded: what speaks of them is no error.
func (d *data) lose(src *source.Source, bad source.Skips) {
	d.lost = map[string]bool{}
	for _, s := range bad {
		d.lost[s.ID] = true
	}
	for _, c := range src.Captions {
		if d.lost[src.Items[c.Image].ID] {
			d.lost[c.ID], d.lost[c.Text] = true, true
		}
	}
	for _, c := range src.Captions {
		if !d.lost[src.Items[c.Image].ID] {
			delete(d.lost, c.Text) // said of another image too
		}
	}
}

// named is the data of a source before it is encoded: ids, texts and owners. Images of ix belong to it.
func named(ctx context.Context, src *source.Source, ix index.Searcher) (*data, error) {
	d := &data{}
	known := map[string]bool{}
	for _, item := range src.Items {
		d.images, known[item.ID] = append(d.images, item.ID), true
	}
	for _, c := range src.Captions {
		d.captions, d.texts, d.owner = append(d.captions, c.ID), append(d.texts, c.Text), append(d.owner, c.Image)
	}
	if ix == nil {
		return d, nil
	}
	for id, err := range ix.IDs(ctx) {
		if err != nil {
			return nil, err
		}
		if !known[id] {
			d.images = append(d.images, id)
		}
	}
	return d, nil
}

// pictureKey is equal for equal pictures. Vectors would not do: the same picture in two batches may
// differ in its last digits.
func pictureKey(src *source.Source, i int, enc *index.Encoding) (string, error) {
	if src.Items[i].Path != "" {
		h := sha256.New()
		err := source.CopyFile(h, src.Items[i].Path)
		return string(h.Sum(nil)), err
	}
	if src.Precomputed() {
		set, err := src.Set(i)
		if err != nil {
			return "", err
		}
		return vectorKey(set.Features), nil
	}
	return vectorKey(enc.Matching), nil
}

// vectorKey is a digest of a vector's values, bit by bit.
func vectorKey(v []float32) string {
	sum := sha256.Sum256(elem.Bytes(v))
	return string(sum[:])
}

// indexed reads the images' encodings from an index. Items that the source does not have are
// distractors.
func (e *encoding) indexed(ctx context.Context, src *source.Source, ix index.Searcher, to *gathering) error {
	if ix.Model() != e.m.Fingerprint() {
		return fmt.Errorf("%w: the index was made with %s, this is %s", aladin.ErrModelMismatch, ix.Model(), e.m.Fingerprint())
	}
	names, err := named(ctx, src, ix)
	if err != nil {
		return err
	}
	return e.d.readItems(ctx, ix, names.images, index.Image, to, e.tell)
}

// readItems gathers items of an index. Their encodings are what the index's codecs left of them.
func (d *data) readItems(ctx context.Context, ix index.Searcher, ids []string, kind index.Kind, to *gathering, tell teller) error {
	p := tell("reading the index", len(ids))
	defer p.Done()
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return err
		}
		it, err := ix.Item(ctx, id)
		if err != nil {
			return fmt.Errorf("%q: %w", id, err)
		}
		enc := it.Encoding
		if enc.Kind != kind {
			return fmt.Errorf("%w: item %q of the index is of kind %s, want %s", errData, id, enc.Kind, kind)
		}
		if err := to.add(enc); err != nil {
			return err
		}
		if kind == index.Image {
			d.images = append(d.images, id)
		} else {
			d.captions, d.texts = append(d.captions, id), append(d.texts, enc.Text)
		}
		p.Add(1)
	}
	return nil
}

func (e *encoding) captions(ctx context.Context, src *source.Source, to *gathering, timed int) error {
	d := e.d
	for k := range min(timed+1, len(d.texts)) {
		c := k * len(d.texts) / (timed + 1)
		began := time.Now()
		if _, err := e.m.Encode(ctx, aladin.Text(d.texts[c])); err != nil {
			return fmt.Errorf("caption %s: %w", d.captions[c], err)
		}
		d.cost.captionCalls = append(d.cost.captionCalls, time.Since(began))
	}
	p := e.tell("encoding captions", len(d.texts))
	defer p.Done()
	began := time.Now()
	for enc, err := range e.m.EncodeSeq(ctx, src.CaptionInputs()) {
		if err == nil {
			err = to.add(enc)
		}
		if err != nil {
			return err
		}
		p.Add(1)
	}
	d.cost.captions, d.cost.captionTime = len(d.texts), time.Since(began)
	return nil
}

// truths takes over what generated scenes know of themselves.
func (e *encoding) truths(ctx context.Context, src *source.Source) error {
	for _, c := range src.Captions {
		var list []mention
		for _, m := range c.Mentions {
			list = append(list, mention{m.Start, m.End, m.Boxes})
		}
		if list != nil && e.d.mentions == nil {
			e.d.mentions = make([][]mention, 0, len(src.Captions))
		}
		e.d.mentions = append(e.d.mentions, list)
	}
	e.d.scenes = src.Scenes()
	unique, err := src.Unique(ctx)
	if err != nil || unique == nil {
		return err
	}
	n := 0
	for _, u := range unique {
		if u {
			n++
		}
	}
	share := float64(n) / float64(len(unique))
	e.d.unique = &share
	return nil
}

// readIndexes makes the data of two indexes, of images and of captions, without any model. Caption ids
// are "IMAGE#n".
func readIndexes(ctx context.Context, images, captions string, tell teller) (_ *data, err error) {
	d := &data{source: images + " and " + captions, notes: []string{"alignment is what an index computes: each word with its best region"}}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	folder, err := d.newFolder()
	if err != nil {
		return nil, err
	}
	var sides [2]*gathering
	for side, path := range []string{images, captions} {
		ix, err := aladin.OpenIndex(ctx, path, nil)
		if err != nil {
			return nil, err
		}
		d.close = append(d.close, ix.Close)
		if d.model == "" {
			d.model = ix.Model()
		}
		if ix.Model() != d.model {
			return nil, fmt.Errorf("%w: %s was made with %s, %s with %s", index.ErrModelMismatch, images, d.model, path, ix.Model())
		}
		var ids []string
		for id, err := range ix.IDs(ctx) {
			if err != nil {
				return nil, err
			}
			ids = append(ids, id)
		}
		kind := []index.Kind{index.Image, index.Caption}[side]
		if kind == index.Image {
			d.index = ix
		}
		sides[side] = newGathering(folder, kind.String())
		if err := d.readItems(ctx, ix, ids, kind, sides[side], tell); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	at := places(d.images)
	for _, id := range d.captions {
		image := id
		if k := strings.LastIndexByte(id, '#'); k >= 0 {
			image = id[:k]
		}
		i, ok := at[image]
		if !ok {
			return nil, fmt.Errorf("%w: caption %q belongs to no image of %s", errData, id, images)
		}
		d.owner = append(d.owner, i)
	}
	return d, d.install(sides[0], sides[1])
}
