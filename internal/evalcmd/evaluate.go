package evalcmd

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/eval"
)

// settings say what is computed; flags set them.
type settings struct {
	protocol   string // full, 1k, 5fold, 5k
	gallery    []string
	candidates []int
	chosen     bool   // candidates were given, not the default
	alignment  string // exhaustive, candidates, none
	precision  string // f32, f16, int8
	ndcgAt     int
	relevance  string // .npy; "" is ROUGE-L of the captions
	relevant   string // TSV, JSON or .npy of right answers
	judgments  string // TSV
	resamples  int
	seed       uint64
	threads    int
	memory     int64
	state      string
	everyPair  bool // also those across galleries, for a dump
	latency    int  // queries timed
	codecs     []string
	ties       string // index, optimistic
}

// optimistic is the rule by which ties are decided in the model's favour.
const optimistic = "optimistic"

// manyPairs take minutes in full precision.
const manyPairs = 20e6

// A head is one way to rank, with all that was found about it.
type head struct {
	name       string
	candidates int  // of re-ranking, else 0
	fused      bool // re-ranked by alignment and matching, as a search does
	outcome    *eval.Outcome
	forgiving  *eval.Outcome // accepts duplicates; nil if there are none
	lists      *eval.Lists   // first answers by original index
	mapAtR     *eval.Mean
	rPrecision *eval.Mean
	ndcg       *eval.Mean
}

// evaluation is a run over one set of data.
type evaluation struct {
	*settings
	d          *data
	tell       teller
	split      *eval.Split
	galleries  []eval.Gallery
	owners     *eval.Relation
	truths     *truths
	duplicates *eval.Duplicates
	relevances eval.Relevance
	aligner    aligner
	matching   eval.Scores // nil if there are no vectors
	exhausted  *exhaustion // nil if alignment was not exhaustive
	exact      eval.Scores // exhaustive alignment scores, computed or given

	heads []*head
	doc   *document
}

func (e *evaluation) warn(format string, args ...any) {
	e.doc.Warnings = append(e.doc.Warnings, fmt.Sprintf(format, args...))
}

// compute finds everything but what compares or draws results.
func (e *evaluation) compute(ctx context.Context) error {
	began := time.Now()
	if err := e.prepare(); err != nil {
		return err
	}
	if err := e.score(ctx); err != nil {
		return err
	}
	if err := e.rank(ctx); err != nil {
		return err
	}
	if err := e.figures(ctx); err != nil {
		return err
	}
	if err := e.judge(ctx); err != nil {
		return err
	}
	if err := e.ground(ctx); err != nil {
		return err
	}
	if err := e.measure(ctx); err != nil {
		return err
	}
	if err := e.compareCodecs(ctx); err != nil {
		return err
	}
	e.doc.Speed.Seconds = time.Since(began).Seconds() + e.d.cost.seconds()
	e.doc.Speed.MemoryPeak = memoryPeak()
	return nil
}

// prepare fixes the galleries and reads what says which answers are right.
func (e *evaluation) prepare() error {
	d := e.d
	e.doc = &document{
		Images: len(d.images), Captions: len(d.captions), Protocol: e.protocol,
		TieRule: e.ties, Source: d.source, Model: d.model, UniqueCaptions: d.unique, Speed: &speed{},
	}
	e.doc.Warnings = slices.Clone(d.notes)
	var err error
	if e.split, err = e.splitImages(); err != nil {
		return err
	}
	e.galleries = e.split.Galleries(d.owner)
	smallest, most := math.MaxInt, 0
	for f, g := range e.galleries {
		if len(g.Captions) == 0 {
			return fmt.Errorf("%w: gallery %d has %d images but no caption", errData, f+1, len(g.Images))
		}
		most = max(most, len(g.Images), len(g.Captions))
		asks := map[int]bool{}
		for _, c := range g.Captions {
			asks[d.owner[c]] = true
		}
		e.doc.Galleries = append(e.doc.Galleries, gallery{len(g.Images), len(g.Captions), len(g.Images) - len(asks)})
		smallest = min(smallest, len(g.Images))
	}
	if smallest < 10 {
		e.warn("a gallery of %d images: R@10 of text → image is 100 whatever the model", smallest)
	}
	if err := e.checkCandidates(smallest, most); err != nil {
		return err
	}
	if e.owners, err = eval.Owners(len(d.images), d.owner); err != nil {
		return err
	}
	if e.truths, err = e.readTruths(d); err != nil {
		return err
	}
	if e.truths.right == nil {
		e.truths.right = e.owners
	}
	if e.duplicates, err = eval.FindDuplicates(d.texts, d.owner, d.keys(), len(d.images)); err != nil {
		return err
	}
	e.doc.Duplicates = &doubles{Images: e.duplicates.Images, Captions: e.duplicates.Captions, Siblings: e.duplicates.Siblings}
	switch {
	case e.ndcgAt <= 0:
	case e.relevance != "":
		e.relevances, err = readRelevance(e.relevance, len(d.images), len(d.captions))
	case d.texts != nil:
		e.relevances, err = eval.NewRouge(d.texts, d.owner, len(d.images))
	}
	return err
}

func (e *evaluation) splitImages() (*eval.Split, error) {
	n := len(e.d.images)
	switch e.protocol {
	case "full":
		return eval.Whole(n), nil
	case "5k":
		if n < 5000 {
			return nil, fmt.Errorf("%w: protocol 5k needs 5000 images, there are %d (use full)", errData, n)
		}
		if n > 5000 {
			e.warn("protocol 5k on %d images: the figures are those of a gallery of %d", n, n)
		}
		return eval.Whole(n), nil
	case "5fold":
		if n < 5 {
			return nil, fmt.Errorf("%w: protocol 5fold needs at least 5 images, there are %d", errData, n)
		}
		if n != 5000 {
			e.warn("protocol 5fold on %d images: galleries of about %d, not the 1000 of COCO's", n, n/5)
		}
		return eval.Folds(n, 5)
	case "1k":
		if e.gallery == nil {
			return nil, cli.Misuse("protocol 1k needs the list of its images: --keys FILE (for the mean of five folds use --protocol 5fold)")
		}
		at := make(map[string]int, n)
		for i, id := range e.d.images {
			at[id] = i
		}
		var list []int
		for k, id := range e.gallery {
			i, ok := at[id]
			if !ok {
				return nil, fmt.Errorf("%w: line %d of the list of images: there is no image %q", errData, k+1, id)
			}
			list = append(list, i)
		}
		return eval.Only(n, list)
	}
	return nil, cli.Misuse("protocol %q: want full, 1k, 5fold or 5k", e.protocol)
}

// checkCandidates brings the numbers of candidates down to the most images or captions of a gallery. Where there
// are fewer images than captions, all of them are re-ranked for a caption, and so many captions for an image.
func (e *evaluation) checkCandidates(smallest, most int) error {
	e.candidates = slices.Compact(slices.Sorted(slices.Values(e.candidates)))
	for k, c := range e.candidates {
		if c < 1 {
			return cli.Misuse("--candidates %d", c)
		}
		if c > smallest {
			if e.chosen {
				e.warn("--candidates %d, but a gallery has %d images: text → image re-ranks all of them", c, smallest)
			}
			e.candidates[k] = min(c, most)
		}
	}
	e.candidates = slices.Compact(e.candidates)
	return nil
}

// score computes the two score matrices, or makes ready to.
func (e *evaluation) score(ctx context.Context) error {
	d := e.d
	if d.imageVectors.Dim > 0 {
		dot, err := eval.NewDot(d.imageVectors, d.captionVectors)
		if err != nil {
			return err
		}
		e.matching = dot
		if int64(len(d.images))*int64(len(d.captions))*4 <= e.memory/2 && e.split.Folds == 1 {
			p := e.tell("matching", len(d.images))
			e.matching, err = eval.Hold(ctx, dot, e.ranking(p.Set))
			p.Done()
			if err != nil {
				return err
			}
		}
	}
	if d.alignment != nil {
		e.exact = d.alignment
	}
	if d.imageTokens == nil || e.alignment == "none" {
		return nil
	}
	var err error
	if e.aligner, err = newAligner(d.imageTokens, d.captionTokens, d.mode, e.precision); err != nil {
		return err
	}
	if e.alignment != "exhaustive" {
		return nil
	}
	a := e.aligner
	if !e.everyPair {
		a = within(a, e.galleries)
	}
	pairs := len(d.images) * len(d.captions)
	p := e.tell("aligning pairs", pairs)
	if e.precision == "f32" && pairs > manyPairs {
		p.Note("%d million pairs in full precision: --align-codec int8 is some ten times as fast", pairs/1e6)
	}
	began := time.Now()
	e.exhausted, err = exhaust(ctx, a, e.state, e.memory/2, e.threads, func(pairs int, resumed bool) {
		if resumed {
			p.Resumed(pairs)
		} else {
			p.Add(pairs)
		}
	})
	took := time.Since(began).Seconds()
	p.Done()
	if err != nil {
		return err
	}
	d.close = append(d.close, e.exhausted.close)
	e.exact = e.exhausted
	pairs = 0
	for _, i := range e.exhausted.computed {
		switch f := e.split.Fold[i]; {
		case e.everyPair:
			pairs += len(d.captions)
		case f >= 0:
			pairs += len(e.galleries[f].Captions)
		}
	}
	if pairs > 0 {
		e.doc.Speed.AlignmentPairs = pairs
		e.doc.Speed.PairsPerSecond = float64(pairs) / took
	}
	return nil
}

// ranking is the options of everything that goes over all scores.
func (e *evaluation) ranking(progress func(done, total int)) *eval.Options {
	return &eval.Options{Threads: e.threads, Progress: progress, Optimistic: e.ties == optimistic}
}

// rank fills the heads, gallery by gallery.
func (e *evaluation) rank(ctx context.Context) error {
	var matching, alignment *head
	var fused *head
	var reranked []*head
	if e.matching != nil {
		matching = e.newHead("matching", 0)
	}
	if e.exact != nil && e.alignment != "none" {
		alignment = e.newHead("alignment", 0)
	}
	if e.matching != nil && (e.aligner != nil || e.exact != nil) && e.alignment != "none" {
		for _, k := range e.candidates {
			reranked = append(reranked, e.newHead(fmt.Sprintf("rerank@%d", k), k))
		}
		if n := len(e.candidates); n > 0 && e.d.ranking != nil {
			k := e.candidates[n-1]
			fused = e.newHead(fmt.Sprintf("fused@%d", k), k)
			fused.fused = true
		}
	}
	p := e.tell("ranking", len(e.galleries)*len(e.heads))
	defer p.Done()
	for _, g := range e.galleries {
		own, err := e.owners.Select(g.Images, g.Captions)
		if err != nil {
			return err
		}
		again, err := e.duplicates.Relation.Select(g.Images, g.Captions)
		if err != nil {
			return err
		}
		right, err := e.truths.right.Select(g.Images, g.Captions)
		if err != nil {
			return err
		}
		answers := &answers{own, again, right}
		depth := max(10, e.ndcgAt, right.MostRight())
		o := e.ranking(nil)
		if alignment != nil {
			if _, err := e.rankScores(ctx, alignment, g, answers, eval.Select(e.exact, g.Images, g.Captions), depth, o); err != nil {
				return err
			}
			p.Add(1)
		}
		if matching == nil {
			continue
		}
		if len(reranked) > 0 {
			depth = max(depth, e.candidates[len(e.candidates)-1])
		}
		scores := eval.Select(e.matching, g.Images, g.Captions)
		first, err := e.rankScores(ctx, matching, g, answers, scores, depth, o)
		if err != nil {
			return err
		}
		p.Add(1)
		if len(reranked) == 0 {
			continue
		}
		var second eval.PairScorer
		if e.exact != nil {
			second = eval.Lookup(eval.Select(e.exact, g.Images, g.Captions))
		} else {
			second = &selectedPairs{e.aligner, g}
		}
		if err := e.rerank(ctx, reranked, g, answers, first, second, o, p.Add); err != nil {
			return err
		}
		if fused != nil {
			pairs := &fusedPairs{ranking: e.d.ranking, align: second, matching: eval.Lookup(scores)}
			if err := e.rerankFused(ctx, fused, g, answers, first, pairs, o); err != nil {
				return err
			}
			p.Add(1)
		}
	}
	return nil
}

// answers are the right ones within a gallery: by owner, with duplicates, and for mAP@R.
type answers struct{ own, duplicate, right *eval.Relation }

// ranking is what was found of a head in a gallery.
type ranking struct {
	ranks     *eval.Ranks
	forgiving *eval.Ranks
	lists     *eval.Lists
}

func (e *evaluation) newHead(name string, candidates int) *head {
	h := &head{name: name, candidates: candidates, outcome: eval.NewOutcome(e.d.owner, e.split)}
	if e.duplicates.Images+e.duplicates.Captions > 0 {
		h.forgiving = eval.NewOutcome(e.d.owner, e.split)
	}
	n, m := len(e.d.images), len(e.d.captions)
	h.lists = &eval.Lists{I2T: make([][]eval.Hit, n), T2I: make([][]eval.Hit, m)}
	h.mapAtR, h.rPrecision = eval.NewMean(n, m), eval.NewMean(n, m)
	if e.relevances != nil {
		h.ndcg = eval.NewMean(n, m)
	}
	e.heads = append(e.heads, h)
	return h
}

func (e *evaluation) rankScores(ctx context.Context, h *head, g eval.Gallery, a *answers, s eval.Scores, depth int, o *eval.Options) (*ranking, error) {
	var r ranking
	var err error
	if r.ranks, err = eval.Rank(ctx, s, a.own, o); err != nil {
		return nil, err
	}
	if h.forgiving != nil {
		if r.forgiving, err = eval.Rank(ctx, s, a.duplicate, o); err != nil {
			return nil, err
		}
	}
	if r.lists, err = eval.Top(ctx, s, depth, o); err != nil {
		return nil, err
	}
	return &r, e.enter(ctx, h, g, a, &r, o)
}

// enter scatters what was found in a gallery over all queries.
func (e *evaluation) enter(ctx context.Context, h *head, g eval.Gallery, a *answers, r *ranking, o *eval.Options) error {
	h.outcome.Put(g, r.ranks)
	if h.forgiving != nil {
		h.forgiving.Put(g, r.forgiving)
	}
	ap, rp := eval.Precision(r.lists, a.right)
	h.mapAtR.Put(g, ap)
	h.rPrecision.Put(g, rp)
	if h.ndcg != nil {
		v, err := eval.NDCG(ctx, r.lists, g, e.relevances, e.ndcgAt, o)
		if err != nil {
			return err
		}
		h.ndcg.Put(g, v)
	}
	const kept = 10 // answers that reports show
	original := func(list []eval.Hit, index []int) []eval.Hit {
		list = slices.Clone(list[:min(kept, len(list))])
		for k := range list {
			list[k].Index = int32(index[list[k].Index])
		}
		return list
	}
	for k, i := range g.Images {
		h.lists.I2T[i] = original(r.lists.I2T[k], g.Captions)
	}
	for k, c := range g.Captions {
		h.lists.T2I[c] = original(r.lists.T2I[k], g.Images)
	}
	return nil
}

// selectedPairs renumbers the pairs of a gallery.
type selectedPairs struct {
	of eval.PairScorer
	g  eval.Gallery
}

func (s *selectedPairs) Pairs(image int, captions []int32, dst []float32) error {
	original := make([]int32, len(captions))
	for k, c := range captions {
		original[k] = int32(s.g.Captions[c]) // galleries list captions in ascending order
	}
	return s.of.Pairs(s.g.Images[image], original, dst)
}
