package model

import (
	"fmt"
	"iter"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/tokenizer"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/param"
)

// Vocabulary makes a WordPiece vocabulary for captions, of at most encoder.vocab-size pieces; words seen
// encoder.min-count times are pieces of their own.
func Vocabulary(cfg *config.Config, captions iter.Seq[string]) []string {
	return tokenizer.BuildVocab(captions, cfg.Encoder.VocabSize, cfg.Encoder.MinCount)
}

// New is a network that starts from nothing, in the shape that a configuration gives, with a
// vocabulary that [Vocabulary] made and regions of a number of features.
func New(name string, cfg *config.Config, vocab []string, regionDim int) (*Model, error) {
	wp, err := tokenizer.NewWordPiece(vocab, &tokenizer.Options{Learned: true})
	if err != nil {
		return nil, err
	}
	e, l := &cfg.Encoder, cfg.Lengths().Or(config.DefaultLengths)
	net := nn.Config{
		Layers: e.Layers, Hidden: e.Hidden, Heads: e.Heads, FF: e.FF, Vocab: wp.Size(),
		MaxPositions: max(l.Caption, l.Labels, 4), Types: 2, LayerNormEps: 1e-12,
		RegionDim: regionDim, RegionLayerNorm: e.RegionLayerNorm, RegionLayerNormEps: 1e-12,
		PreNorm: e.PreNorm, MeanPool: e.MeanPool, WordGates: e.WordGates, GatedMean: e.GatedMean, GlobalPair: e.GlobalPair, Standardise: e.Standardise,
		RegionFF: e.RegionFF, SkipImageLayers: e.SkipImageLayers, TextLocality: e.TextLocality, WordContext: e.WordContext,
		AlignProjection: e.AlignProjection, MatchProjection: e.MatchProjection,
	}
	m := &Model{
		Name: name, Params: param.NewSet(), MaxRegions: l.Regions,
		Regions: bundle.Regions{Kind: bundle.Precomputed},
		Text:    input.Text{Tokenizer: wp, MaxCaption: l.Caption, MaxLabels: l.Labels, FirstLabel: wp.CLS()},
	}
	m.Seen = bundle.WordCounts{}
	m.Net = heads(net, cfg)
	m.Net.ReleasedAlignment = cfg.Model.ReleasedAlignment
	m.markStopWords()
	if err := m.Net.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", config.ErrConfig, err)
	}
	return m, nil
}

// heads sets what the "model" and "training" sections say about a network's heads.
func heads(net nn.Config, cfg *config.Config) nn.Config {
	net.MatchLayers, net.AlignLayers = cfg.Model.TernLayers, cfg.Model.TeranLayers
	net.SeparateAlign = cfg.Model.TeranLayers > 0 && !cfg.Model.SharedTransformer
	net.PostLayers, net.DepthAggregation = cfg.Model.PostLayers, string(cfg.Model.DepthAggregationMatching)
	net.AlignDepthAggregation = string(cfg.Model.DepthAggregationAlignment)
	net.Hubs, net.HubScale = 0, 0 // the run measures them anew
	net.Alignment, net.StopWords = cfg.Training.AlignmentMode, cfg.Model.ExcludeStopwords
	if net.MatchHeads == 0 {
		net.MatchHeads = 4
	}
	if net.MatchFF == 0 {
		net.MatchFF = cfg.Encoder.HeadFF
	}
	if net.MatchFF == 0 {
		net.MatchFF = net.Hidden
	}
	return net
}

// Lengths are the longest sequences that the model reads.
func (m *Model) Lengths() config.Lengths {
	return config.Lengths{Caption: m.Text.MaxCaption, Labels: m.Text.MaxLabels, Regions: m.MaxRegions}
}

// Adapted is the model with the heads and the lengths that a configuration asks for; lengths that it does not mention stay.
// It shares the parameters; Fit then leaves those that the heads have no use for.
func (m *Model) Adapted(cfg *config.Config) (*Model, error) {
	l := cfg.Lengths().Or(m.Lengths())
	if most := m.Net.MaxPositions; l.Caption > most || l.Labels > most {
		return nil, fmt.Errorf("%w: %s: encoder.max-caption and encoder.max-labels can be at most %d, the model's positions", config.ErrConfig, l, most)
	}
	out := *m
	out.Net = heads(m.Net, cfg)
	out.Text.MaxCaption, out.Text.MaxLabels, out.MaxRegions = l.Caption, l.Labels, l.Regions
	out.markStopWords()
	return &out, nil
}
