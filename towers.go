package aladin

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"slices"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/preprocess"
	"github.com/aladin-go/aladin/internal/tokenizer"
)

// towers encode with two networks that share nothing but the space of their vectors, as those of CLIP do: the
// one reads a text's tokens, the other a picture's pixels.
type towers struct {
	*bundle.Towers
	words         *tokenizer.Subword
	length        int // of the longest sequence
	pixels        *preprocess.Config
	width, height int // of what the image tower reads
}

// openTowers reads what a bundle's towers need, but for their graphs.
func openTowers(b *bundle.Bundle) (*towers, error) {
	man := &b.Manifest
	path, err := b.Path(man.Tokenizer.File)
	if err != nil {
		return nil, err
	}
	t := &towers{Towers: man.Towers, length: man.Lengths.Caption}
	if t.words, err = tokenizer.Load(path); err != nil {
		return nil, err
	}
	t.pixels = &preprocess.Config{}
	if err = json.Unmarshal(man.Regions.Config, t.pixels); err == nil {
		err = t.pixels.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: model.json: regions: %w", ErrCorrupt, b.Dir(), err)
	}
	t.width, t.height = t.pixels.Size()
	return t, nil
}

// A sight is a picture as an image tower reads it.
type sight struct {
	pixels []float32
	shown  index.Box // the part of the picture that they show
}

// see turns pictures into what the image tower reads.
func (m *Model) see(ctx context.Context, all []*prepared) error {
	t := m.towers
	var open []func(*picture.Options) (*picture.File, error)
	var of []*prepared
	for _, p := range all {
		if p.in.is() != pictureInput {
			p.err = errReadsPixels
			continue
		}
		open, of = append(open, p.in.open), append(of, p)
	}
	load := picture.Load{Group: 1, Workers: runtime.GOMAXPROCS(0), Detail: 2 * max(t.width, t.height)} // nearly all pixels count
	failed, err := picture.Each(ctx, open, &picture.Options{MaxPixels: m.opts.MaxPixels, Alpha: true}, load, func(_ context.Context, pics []*picture.Picture, at []int) error {
		for k, pic := range pics {
			s := &sight{pixels: make([]float32, t.values()), shown: t.pixels.Shown(pic.W, pic.H)}
			p := of[at[k]]
			m.damaged(p, pic.Note)
			p.sight, p.err = s, t.pixels.Tensor(s.pixels, pic.Image())
		}
		return nil
	})
	for i, err := range failed {
		if err != nil {
			of[i].err = err
		}
	}
	return err
}

// values is how many numbers a picture becomes.
func (t *towers) values() int { return 3 * t.width * t.height }

// cells are the boxes of the cells of the grid, row by row.
func (t *towers) cells(shown index.Box) []index.Box {
	rows, cols := t.Grid[0], t.Grid[1]
	w, h := shown[2]-shown[0], shown[3]-shown[1]
	out := make([]index.Box, 0, rows*cols)
	for r := range rows {
		for c := range cols {
			b := index.Box{
				shown[0] + w*float32(c)/float32(cols), shown[1] + h*float32(r)/float32(rows),
				shown[0] + w*float32(c+1)/float32(cols), shown[1] + h*float32(r+1)/float32(rows),
			}
			for i, v := range b {
				b[i] = min(max(v, 0), 1)
			}
			out = append(out, b)
		}
	}
	return out
}

// Bounds on what a graph may fix of its inputs' shape, for it decides what is allocated. One that wants more fails
// when it runs.
const (
	maxRows  = 256
	maxWidth = 1 << 15
)

// fixed is what a shape says of an axis, at most a bound, or free where it says nothing.
func fixed(shape []int64, axis, bound, free int) int {
	if axis >= len(shape) || shape[axis] <= 0 {
		return free
	}
	return int(min(shape[axis], int64(bound)))
}

// most is how many inputs one run of a network takes: what its first input says, or limit.
func most(s *ort.Session, limit int) int { return fixed(s.Inputs()[0].Shape, 0, maxRows, limit) }

// runTowerTexts encodes texts with the text tower.
func (m *Model) runTowerTexts(ctx context.Context, part []*prepared) error {
	session, err := m.texts.get()
	if err != nil {
		return err
	}
	for some := range slices.Chunk(part, most(session, len(part))) {
		if err := m.runTowerSome(ctx, session, some); err != nil {
			return err
		}
	}
	return nil
}

func (m *Model) runTowerSome(ctx context.Context, session *ort.Session, part []*prepared) error {
	t := m.towers
	width, rows := 0, most(session, m.rows(len(part), textBatch))
	for _, p := range part {
		width = max(width, len(p.sequence.Tokens))
	}
	if t.FillUp {
		width = t.length
	}
	width = fixed(session.Inputs()[0].Shape, 1, maxWidth, width)
	pad := int64(max(t.words.Frame().Pad, 0))
	ids, mask := make([]int64, rows*width), make([]int64, rows*width)
	for i := range ids {
		ids[i] = pad
	}
	for k, p := range part {
		for i, token := range p.sequence.Tokens[:min(len(p.sequence.Tokens), width)] {
			ids[k*width+i], mask[k*width+i] = int64(token.ID), 1
		}
	}
	in := map[string]*ort.Tensor{"ids": ort.Int64([]int64{int64(rows), int64(width)}, ids)}
	if slices.ContainsFunc(session.Inputs(), func(i ort.Info) bool { return i.Name == "mask" }) {
		if t.FillUp { // to the tower padding is part of the text
			for i := range mask {
				mask[i] = 1
			}
		}
		in["mask"] = ort.Int64([]int64{int64(rows), int64(width)}, mask)
	}
	out, err := m.runTower(ctx, session, in, rows, width)
	if err != nil {
		return err
	}
	dim := m.dim()
	for k, p := range part {
		if p.enc, p.err = m.towerEncoding(index.Caption, out.matching[k*dim:(k+1)*dim]); p.err != nil {
			continue
		}
		if s := p.sequence; s.Cut > 0 && s.Pieces[1] > 0 {
			p.enc.Unread = len(p.in.Text) - s.Tokens[s.Pieces[1]-1].End
		}
		if p.enc.Text = p.in.Text; out.tokens == nil {
			continue
		}
		from, to := p.sequence.Pieces[0], min(p.sequence.Pieces[1], width)
		pieces := p.sequence.Tokens[from:max(from, to)]
		var sum float64
		for i, w := range wordsOf(p.in.Text, pieces) {
			if w.Text == "" {
				continue
			}
			at := k*width + from + i
			weight := float32(1)
			if out.weights != nil {
				weight = out.weights[at]
			}
			p.enc.Words, p.enc.Weights = append(p.enc.Words, w), append(p.enc.Weights, weight)
			p.enc.Tokens = append(p.enc.Tokens, out.tokens[at*dim:(at+1)*dim]...)
			sum += float64(weight)
		}
		if !(sum > 0 && sum < math.MaxFloat32) && len(p.enc.Words) > 0 {
			p.enc, p.err = nil, errNotFinite
			continue
		}
		for i := range p.enc.Weights { // which weigh 1 together
			p.enc.Weights[i] = float32(float64(p.enc.Weights[i]) / sum)
		}
		if t.Global > 0 {
			addWhole(p.enc, t.Global)
		}
	}
	return nil
}

// fewPictures are enough for a run at full speed: each is many rows to an image tower, and costs much.
const fewPictures = 4

// runTowerImages encodes pictures with the image tower.
func (m *Model) runTowerImages(ctx context.Context, part []*prepared) error {
	session, err := m.images.get()
	if err != nil {
		return err
	}
	t := m.towers
	batch := len(part)
	if m.opts.Reproducible {
		batch = fewPictures
	}
	for some := range slices.Chunk(part, most(session, batch)) {
		rows := most(session, m.rows(len(some), batch))
		all := make([]float32, rows*t.values())
		for k, p := range some {
			copy(all[k*t.values():], p.sight.pixels)
			p.sight.pixels = nil
		}
		shape := []int64{int64(rows), 3, int64(t.height), int64(t.width)}
		cells := t.Grid[0] * t.Grid[1]
		out, err := m.runTower(ctx, session, map[string]*ort.Tensor{"pixels": ort.Float32(shape, all)}, rows, cells)
		if err != nil {
			return err
		}
		dim := m.dim()
		for k, p := range some {
			if p.enc, p.err = m.towerEncoding(index.Image, out.matching[k*dim:(k+1)*dim]); p.err != nil || out.tokens == nil {
				continue
			}
			p.enc.Tokens = slices.Clone(out.tokens[k*cells*dim : (k+1)*cells*dim])
			p.enc.Boxes = t.cells(p.sight.shown)
			p.enc.Weights = make([]float32, cells)
			for i := range p.enc.Weights {
				p.enc.Weights[i] = 1
			}
			if t.Global > 0 {
				addWhole(p.enc, 1)
			}
		}
	}
	return nil
}

// outputs are what a tower gives: vectors, and if the model aligns a row of tokens for each, which may be weighed.
type outputs struct{ matching, tokens, weights []float32 }

// runTower runs a tower and checks that its outputs are what a bundle promises: rows vectors, and width tokens each.
func (m *Model) runTower(ctx context.Context, s *ort.Session, in map[string]*ort.Tensor, rows, width int) (*outputs, error) {
	wanted := []string{"matching"}
	if m.bundle.Manifest.Aligns() {
		wanted = append(wanted, "tokens")
		if in["ids"] != nil && m.towers.Global > 0 {
			wanted = append(wanted, "weights")
		}
	}
	out, err := s.Run(ctx, in, wanted...)
	if err != nil {
		return nil, err
	}
	got := map[string][]float32{}
	for name, n := range map[string]int{"matching": rows * m.dim(), "tokens": rows * width * m.dim(), "weights": rows * width} {
		t := out[name]
		if t == nil {
			continue
		}
		if got[name] = t.Float32(); len(got[name]) != n {
			return nil, fmt.Errorf("%w: %s: a tower gives %s %v, want %d values for %d inputs", ErrCorrupt, m.bundle.Dir(), name, t.Shape(), n, rows)
		}
	}
	return &outputs{got["matching"], got["tokens"], got["weights"]}, nil
}

// addWhole makes a vector one more token, that of the text or the picture as a whole.
func addWhole(e *Encoding, weight float32) {
	e.Tokens = append(e.Tokens, e.Matching...)
	e.Weights = append(e.Weights, weight)
	if e.Kind == index.Image {
		e.Boxes = append(e.Boxes, index.Box{0, 0, 1, 1})
	} else {
		e.Words = append(e.Words, index.Word{})
	}
}

// towerEncoding is an encoding without tokens.
func (m *Model) towerEncoding(kind index.Kind, matching []float32) (*Encoding, error) {
	for _, v := range matching {
		if v-v != 0 {
			return nil, errNotFinite
		}
	}
	return &Encoding{Kind: kind, Model: m.Fingerprint(), Matching: slices.Clone(matching), Untrained: m.towers.Untrained, Ranking: m.ranking}, nil
}
