package heads

import (
	"context"
	"math/rand/v2"

	"github.com/aladin-go/aladin/internal/ort"
)

// A batcher draws batches of photos, no photo twice in one, each with one of its captions.
type batcher struct {
	f     *features
	s     shape
	rng   *rand.Rand
	order []int
	at    int
}

func newBatcher(f *features, s shape, rng *rand.Rand) *batcher {
	b := &batcher{f: f, s: s, rng: rng}
	for i, of := range f.of {
		if len(of) > 0 {
			b.order = append(b.order, i)
		}
	}
	b.shuffle()
	return b
}

func (b *batcher) shuffle() {
	b.at = 0
	b.rng.Shuffle(len(b.order), func(i, j int) { b.order[i], b.order[j] = b.order[j], b.order[i] })
}

// next is a step's batch.
func (b *batcher) next(ctx context.Context) (map[string]*ort.Tensor, error) {
	if b.at+b.s.batch > len(b.order) {
		b.shuffle()
	}
	s := b.s
	images, texts := make([]float32, s.batch*s.dim), make([]float32, s.batch*s.dim)
	cells, words := make([]float32, s.batch*s.cells*s.dim), make([]float32, s.batch*s.words*s.dim)
	mask := make([]float32, s.batch*s.words)
	for k, i := range b.order[b.at : b.at+s.batch] {
		e, err := b.f.item(ctx, b.f.images[i])
		if err != nil {
			return nil, err
		}
		copy(images[k*s.dim:(k+1)*s.dim], e.Matching)
		copy(cells[k*s.cells*s.dim:(k+1)*s.cells*s.dim], e.Tokens)
		c := b.f.captions[b.f.of[i][b.rng.IntN(len(b.f.of[i]))]]
		if e, err = b.f.item(ctx, c.id); err != nil {
			return nil, err
		}
		copy(texts[k*s.dim:(k+1)*s.dim], e.Matching)
		copy(words[k*s.words*s.dim:(k+1)*s.words*s.dim], e.Tokens)
		for j := range min(s.words, e.N()) {
			mask[k*s.words+j] = 1
		}
	}
	b.at += s.batch
	rows := func(n int, v []float32) *ort.Tensor { return ort.Float32([]int64{int64(n), int64(s.dim)}, v) }
	return map[string]*ort.Tensor{
		"images": rows(s.batch, images), "cells": rows(s.batch*s.cells, cells),
		"texts": rows(s.batch, texts), "words": rows(s.batch*s.words, words),
		"mask": ort.Float32([]int64{int64(s.batch), int64(s.words)}, mask),
	}, nil
}
