package models

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/scenes"
	"github.com/aladin-go/aladin/internal/tokenizer"
	"github.com/aladin-go/aladin/internal/towers"
)

// A Loss says what fewer bits do to a tower, on a few generated scenes and their captions, which the model has
// never seen: with them, as with photos, the lowest cosine is what counts.
type Loss struct {
	Bytes    [2]int64   `json:"bytes"`        // in float32, as saved
	MeanTime [2]float64 `json:"milliseconds"` // of one text, or picture, likewise
	Cosine   float64    `json:"cosine"`       // mean, between the vectors of both
	Lowest   float64    `json:"lowest_cosine"`
}

// trials is how many texts and pictures are compared.
const trials = 8

// Compare holds the towers of a bundle that was saved with fewer bits against the model in float32.
func (s *Source) Compare(ctx context.Context, b *bundle.Bundle, o SaveOptions) (text, image *Loss, err error) {
	dir, err := os.MkdirTemp("", "aladin-compare-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	o.Precision, o.Name = towers.F32, ""
	o.MatchingOnly = !b.Manifest.Aligns()
	notes := s.Notes // those of this second time are the same
	plain, err := s.Save(ctx, filepath.Join(dir, "plain"), o)
	s.Notes = notes
	if err != nil {
		return nil, nil, err
	}
	if text, err = s.compare(ctx, plain, b, bundle.TextFile, s.trialTexts); err != nil {
		return nil, nil, err
	}
	image, err = s.compare(ctx, plain, b, bundle.ImageFile, s.trialPictures)
	return text, image, err
}

func (s *Source) compare(ctx context.Context, plain, saved *bundle.Bundle, file string, trials func(*ort.Session) ([]map[string]*ort.Tensor, error)) (*Loss, error) {
	loss := &Loss{Lowest: 1}
	var vectors [2][][]float32
	for i, b := range []*bundle.Bundle{plain, saved} {
		for _, name := range []string{file, file + weightsSuffix} {
			loss.Bytes[i] += b.Manifest.Files[name].Size
		}
		run, err := ort.Open(filepath.Join(b.Dir(), file), nil)
		if err != nil {
			return nil, err
		}
		vectors[i], loss.MeanTime[i], err = timed(ctx, run, trials)
		if closing := run.Close(); err == nil {
			err = closing
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	for k, a := range vectors[0] {
		var dot, aa, bb float64
		for j, x := range a {
			y := float64(vectors[1][k][j])
			dot, aa, bb = dot+float64(x)*y, aa+float64(x)*float64(x), bb+y*y
		}
		cosine := dot / math.Sqrt(aa*bb)
		loss.Cosine += cosine / float64(len(vectors[0]))
		loss.Lowest = min(loss.Lowest, cosine)
	}
	return loss, nil
}

// timed runs a tower on each of the trials, and on the first of them once before.
func timed(ctx context.Context, run *ort.Session, trials func(*ort.Session) ([]map[string]*ort.Tensor, error)) ([][]float32, float64, error) {
	ins, err := trials(run)
	if err != nil {
		return nil, 0, err
	}
	var out [][]float32
	var began time.Time
	for i := -1; i < len(ins); i++ {
		if i == 0 {
			began = time.Now()
		}
		res, err := run.Run(ctx, ins[max(i, 0)], towers.Matching)
		if err != nil {
			return nil, 0, err
		}
		if i >= 0 {
			out = append(out, res[towers.Matching].Float32())
		}
	}
	return out, float64(time.Since(began).Microseconds()) / 1000 / float64(len(ins)), nil
}

func (s *Source) trialTexts(run *ort.Session) ([]map[string]*ort.Tensor, error) {
	g := scenes.New(1, nil)
	var out []map[string]*ort.Tensor
	length := s.length()
	for i := range trials {
		out = append(out, s.textInput(run, g.Describe(i).Captions[0].Text, length))
	}
	return out, nil
}

// length is the longest text that the text tower reads.
func (s *Source) length() int {
	if s.text != nil {
		if t, err := s.text.Sizes(s.textWeights); err == nil {
			return t.Context
		}
	}
	return s.textLength(0)
}

// textInput is one text as the graph of a text tower reads it.
func (s *Source) textInput(run *ort.Session, text string, length int) map[string]*ort.Tensor {
	ids := tokenizer.IDs(tokenizer.Encode(s.words.tok, text, length).Tokens)
	n := len(ids)
	width := n
	if shape := run.Inputs()[0].Shape; len(shape) == 2 && shape[1] > 0 {
		width = int(shape[1])
	} else if s.Family == SigLIP || s.text != nil && s.text.Pool == towers.PoolLast {
		width = length
	}
	for len(ids) < width {
		ids = append(ids, int64(max(0, s.words.tok.Frame().Pad)))
	}
	shape := []int64{1, int64(width)}
	in := map[string]*ort.Tensor{"ids": ort.Int64(shape, ids[:width])}
	for _, i := range run.Inputs() {
		if i.Name == "mask" {
			mask := make([]int64, width)
			for k := range mask {
				if k < n || s.Family == SigLIP {
					mask[k] = 1
				}
			}
			in["mask"] = ort.Int64(shape, mask)
		}
	}
	return in
}

func (s *Source) trialPictures(*ort.Session) ([]map[string]*ort.Tensor, error) {
	g := scenes.New(1, nil)
	w, h := s.pixels.Size()
	var out []map[string]*ort.Tensor
	for i := range trials {
		v := make([]float32, 3*w*h)
		if err := s.pixels.Tensor(v, g.Scene(i).Image); err != nil {
			return nil, err
		}
		out = append(out, map[string]*ort.Tensor{"pixels": ort.Float32([]int64{1, 3, int64(h), int64(w)}, v)})
	}
	return out, nil
}
