package config

import (
	"fmt"

	"github.com/aladin-go/aladin/internal/nn"
)

// Lengths are the longest sequences that a model reads.
type Lengths struct {
	Caption int // tokens of a caption, [CLS] and [SEP] included
	Labels  int // tokens of an image's object tags, likewise
	Regions int
}

// DefaultLengths are those of the released code's README.
var DefaultLengths = Lengths{Caption: 50, Labels: 50, Regions: 34}

// Or is l with others where l says nothing.
func (l Lengths) Or(others Lengths) Lengths {
	for _, x := range []struct {
		at    *int
		other int
	}{{&l.Caption, others.Caption}, {&l.Labels, others.Labels}, {&l.Regions, others.Regions}} {
		if *x.at == 0 {
			*x.at = x.other
		}
	}
	return l
}

// String is a sentence without its stop.
func (l Lengths) String() string {
	return fmt.Sprintf("captions of at most %d tokens and labels of at most %d, with [CLS] and [SEP]; at most %d regions", l.Caption, l.Labels, l.Regions)
}

// Lengths are those that the configuration asks for, 0 where it leaves them to the model.
func (c *Config) Lengths() Lengths {
	return Lengths{c.Encoder.MaxCaption, c.Encoder.MaxLabels, c.Encoder.MaxRegions}
}

// SetLengths makes the configuration say what a model's lengths are.
func (c *Config) SetLengths(l Lengths) {
	c.Encoder.MaxCaption, c.Encoder.MaxLabels, c.Encoder.MaxRegions = l.Caption, l.Labels, l.Regions
}

// DefaultDropout is BERT's.
const DefaultDropout = 0.1

// SetDropout makes the configuration say the backbone's dropout rates where it left them to the model.
func (c *Config) SetDropout(model nn.Dropout) {
	if model.Source == "" {
		model.Hidden, model.Attention = DefaultDropout, DefaultDropout
	}
	if c.Encoder.Dropout < 0 {
		c.Encoder.Dropout = model.Hidden
	}
	if c.Encoder.AttentionDrop < 0 {
		c.Encoder.AttentionDrop = model.Attention
	}
}
