package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSummarise(t *testing.T) {
	var b strings.Builder
	require.NoError(t, summarise(&b, []byte(`{"images":1000, "captions":5000,
		"matching":{"i2t":{"r1":4.66,"r5":26,"r10":100},"t2i":{"r1":3.8,"r5":14.86,"r10":26}},
		"rerank":{"i2t":{"r1":9.7,"r5":29.7,"r10":49.3},"t2i":{"r1":6.8,"r5":24,"r10":37.5},"candidates":200},
		"grounding":0.371, "grounding_detail":{"words":2669,"chance":0.113}, "unique_captions":0.812,
		"concepts":{"color_shape_p1":0.879,"shape_p10":1,"pair_p1":0.438}}`)))
	want := `1000 images, 5000 captions        image → caption          caption → image
                                  R@1   R@5  R@10          R@1   R@5  R@10
matching                          4.7  26.0 100.0          3.8  14.9  26.0
matching, then alignment          9.7  29.7  49.3          6.8  24.0  37.5
guessing                          0.1   0.5   1.0          0.1   0.5   1.0

81 % of the captions fit exactly one of the images; about the others nothing can be right but by luck.
37 % of 2669 nouns find a region on what they mean; 11 % would by chance.
The first hit is right for 88 % of "a yellow mug" and its like, and shows both things for 44 % of "a yellow mug in front of
a black cube" and its like; 100 % of ten hits for "a mug" and its like show one.
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range []string{``, `{}`, `{"images":5,"captions":2}`} {
		assert.Error(t, summarise(&b, []byte(bad)), bad)
	}
}

func TestGuessing(t *testing.T) {
	g := guessing(4, 8)
	assert.InDelta(t, 25, g.T2I.R1, 1e-9)
	assert.InDelta(t, 100, g.T2I.R5, 1e-9)
	assert.InDelta(t, 25, g.I2T.R1, 1e-9)
	// 5 of 8 captions miss both right ones with probability 3/8·2/7.
	assert.InDelta(t, 100*(1-3.0/8*2/7), g.I2T.R5, 1e-9)
	assert.InDelta(t, 100, g.I2T.R10, 1e-9)
}
