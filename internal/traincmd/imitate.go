package traincmd

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/modelflags"
	"github.com/aladin-go/aladin/internal/source"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/encode"
	"github.com/aladin-go/aladin/internal/training/model"
)

// examples opens what --imitate names: models of regions, and models of two towers.
func (o *runOptions) examples() (models []*model.Model, towers []*bundle.Bundle, err error) {
	if o.imitate != "" {
		for name := range strings.SplitSeq(o.imitate, ",") {
			dir := modelflags.Find(name)
			if b, err := bundle.Open(dir); err == nil && b.Manifest.Towers != nil {
				towers = append(towers, b)
				continue
			}
			m, err := model.Load(dir)
			if err != nil {
				return nil, nil, err
			}
			models = append(models, m)
		}
	}
	if o.sentences != "" && len(towers) == 0 {
		return nil, nil, cli.Misuse("--sentences wants a model of aladin-train import --clip among those of --imitate, to tell which sentence is of which photo")
	}
	return models, towers, nil
}

// bestSentences is how many sentences a photo without captions gets.
const bestSentences = 5

// maxSentences and maxSentenceLine bound a file of sentences.
const (
	maxSentences    = 1 << 20
	maxSentenceLine = 1 << 16
)

// known encodes the data with models of two towers. Where there are sentences in place of captions, the first of
// them gives each photo its own.
func (o *runOptions) known(ctx context.Context, w *watcher, towers []*bundle.Bundle, set *source.TrainingSet, cfg *config.Config) ([]*encode.Example, error) {
	var out []*encode.Example
	for k, b := range towers {
		m, err := aladin.OpenModel(b.Dir(), &aladin.Options{Device: o.device, Threads: o.threads})
		if err != nil {
			return nil, err
		}
		e, err := o.example(ctx, w, m, b, set, cfg, k == 0)
		if closing := m.Close(); err == nil {
			err = closing
		}
		if err != nil {
			return nil, fmt.Errorf("model %s, to be imitated: %w", b.Manifest.Name, err)
		}
		out = append(out, e)
	}
	return out, nil
}

func (o *runOptions) example(ctx context.Context, w *watcher, m *aladin.Model, b *bundle.Bundle, set *source.TrainingSet, cfg *config.Config, first bool) (*encode.Example, error) {
	photos := make([]aladin.Input, len(set.Items))
	for i := range photos {
		photos[i] = set.Input(i)
	}
	images, err := vectors(ctx, m, photos, w.progress("encoding photos with "+b.Manifest.Name))
	if err != nil {
		return nil, err
	}
	dim := b.Manifest.Dims.Embed
	if first && o.sentences != "" {
		if set.Captions, err = o.sentencesOf(ctx, w, m, images, dim); err != nil {
			return nil, err
		}
		w.note("%d photos have %d sentences of %s each", len(photos), len(set.Captions)/max(1, len(photos)), o.sentences)
	}
	captions, err := vectors(ctx, m, textsOf(set.Texts()), w.progress("encoding captions with "+b.Manifest.Name))
	if err != nil {
		return nil, err
	}
	// The loss multiplies both sides' scores with one scale; the towers' own is another.
	scale := float32(b.Manifest.Towers.LogitScale)
	if !(scale > 0 && scale < 100) {
		scale = 100
	}
	for i := range captions {
		captions[i] *= scale / float32(cfg.Training.ImitationScale)
	}
	e := &encode.Example{Captions: &encode.Side{Dim: dim, Matching: captions}}
	for range set.Views() { // a part or a mirror image of a photo is taken for the photo
		e.Views = append(e.Views, &encode.Side{Dim: dim, Matching: images})
	}
	return e, nil
}

func textsOf(texts []string) []aladin.Input {
	out := make([]aladin.Input, len(texts))
	for i, t := range texts {
		out[i] = aladin.Text(t)
	}
	return out
}

// vectors are the matching vectors of inputs, one behind the other.
func vectors(ctx context.Context, m *aladin.Model, ins []aladin.Input, progress func(done, total int)) ([]float32, error) {
	var out []float32
	done := 0
	for e, err := range m.EncodeSeq(ctx, slices.Values(ins)) {
		if err != nil {
			return nil, err
		}
		out = append(out, e.Matching...)
		done++
		progress(done, len(ins))
	}
	return out, ctx.Err()
}

// sentencesOf gives each photo the sentences that fit it best, beyond how well they fit photos at large.
func (o *runOptions) sentencesOf(ctx context.Context, w *watcher, m *aladin.Model, images []float32, dim int) ([]source.Caption, error) {
	sentences, err := readSentences(o.sentences)
	if err != nil {
		return nil, err
	}
	texts, err := vectors(ctx, m, textsOf(sentences), w.progress("encoding sentences"))
	if err != nil {
		return nil, err
	}
	n := len(images) / dim
	mean := make([]float64, dim) // of all photos
	for i, x := range images {
		mean[i%dim] += float64(x) / float64(n)
	}
	type fit struct {
		sentence int
		score    float64
	}
	dot := func(a []float64, text []float32) (sum float64) {
		for k, x := range text {
			sum += a[k] * float64(x)
		}
		return sum
	}
	usual := make([]float64, len(sentences))
	for s := range sentences {
		usual[s] = dot(mean, texts[s*dim:(s+1)*dim])
	}
	var out []source.Caption
	image := make([]float64, dim)
	fits := make([]fit, len(sentences))
	for i := range n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for k, x := range images[i*dim : (i+1)*dim] {
			image[k] = float64(x)
		}
		for s := range sentences {
			fits[s] = fit{s, dot(image, texts[s*dim:(s+1)*dim]) - usual[s]}
		}
		slices.SortFunc(fits, func(a, b fit) int {
			return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.sentence, b.sentence))
		})
		for k, f := range fits[:min(bestSentences, len(fits))] {
			out = append(out, source.Caption{ID: fmt.Sprintf("%d#%d", i, k), Image: i, Text: sentences[f.sentence]})
		}
	}
	return out, nil
}

// readSentences reads a file with a sentence a line.
func readSentences(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []string
	seen := map[string]bool{}
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, maxSentenceLine)
	for line := 1; sc.Scan(); line++ {
		text := strings.TrimSpace(sc.Text())
		if text == "" || seen[text] {
			continue
		}
		if len(out) == maxSentences {
			return nil, fmt.Errorf("%s:%d: more than %d sentences", path, line, maxSentences)
		}
		seen[text] = true
		out = append(out, text)
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(out) == 0 {
		return nil, cli.Misuse("%s has no sentences", path)
	}
	return out, nil
}
