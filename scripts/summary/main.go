// Command summary prints the figures of an aladin-eval document beside those of guessing.
//
//	go run ./scripts/summary build/demo/metrics.json
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: summary METRICS.json")
		os.Exit(2)
	}
	data, err := os.ReadFile(os.Args[1])
	if err == nil {
		err = summarise(os.Stdout, data)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "summary: %v\n", err)
		os.Exit(1)
	}
}

type recalls struct{ R1, R5, R10 float64 }

type ranking struct{ I2T, T2I recalls }

// document is the part of aladin-eval's that is shown.
type document struct {
	Images, Captions                   int
	Matching, Alignment, Rerank, Fused *ranking
	Grounding                          *float64
	GroundingDetail                    struct {
		Words  int
		Chance float64
	} `json:"grounding_detail"`
	UniqueCaptions *float64 `json:"unique_captions"`
	Concepts       *struct {
		ColourShape float64 `json:"color_shape_p1"`
		Shape       float64 `json:"shape_p10"`
		Pair        float64 `json:"pair_p1"`
	}
}

func summarise(w io.Writer, data []byte) error {
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		return err
	}
	if d.Images < 1 || d.Captions < d.Images {
		return fmt.Errorf("%d images with %d captions: not a document of aladin-eval", d.Images, d.Captions)
	}
	fmt.Fprintf(w, "%-26s %22s   %22s\n", fmt.Sprintf("%d images, %d captions", d.Images, d.Captions), "image → caption", "caption → image")
	fmt.Fprintf(w, "%-26s %22s   %22s\n", "", "R@1   R@5  R@10", "R@1   R@5  R@10")
	row := func(name string, r *ranking) {
		if r == nil {
			return
		}
		cells := func(r recalls) string { return fmt.Sprintf("%5.1f %5.1f %5.1f", r.R1, r.R5, r.R10) }
		fmt.Fprintf(w, "%-26s %22s   %22s\n", name, cells(r.I2T), cells(r.T2I))
	}
	row("matching", d.Matching)
	row("alignment", d.Alignment)
	row("matching, then alignment", d.Rerank)
	row("matching, then both", d.Fused)
	row("guessing", guessing(d.Images, d.Captions))
	fmt.Fprintln(w)
	if d.UniqueCaptions != nil {
		fmt.Fprintf(w, "%.0f %% of the captions fit exactly one of the images; about the others nothing can be right but by luck.\n", 100**d.UniqueCaptions)
	}
	if d.Grounding != nil {
		fmt.Fprintf(w, "%.0f %% of %d nouns find a region on what they mean; %.0f %% would by chance.\n", 100**d.Grounding, d.GroundingDetail.Words, 100*d.GroundingDetail.Chance)
	}
	if c := d.Concepts; c != nil {
		fmt.Fprintf(w, "The first hit is right for %.0f %% of \"a yellow mug\" and its like, and shows both things for %.0f %% of \"a yellow mug in front of\n"+
			"a black cube\" and its like; %.0f %% of ten hits for \"a mug\" and its like show one.\n", 100*c.ColourShape, 100*c.Pair, 100*c.Shape)
	}
	return nil
}

// guessing is the recall in percent of a ranking by chance, where all images have equally many captions.
func guessing(images, captions int) *ranking {
	image := func(k int) float64 { return 100 * min(1, float64(k)/float64(images)) }
	caption := func(k int) float64 { return 100 * (1 - missing(captions, captions/images, k)) }
	return &ranking{I2T: recalls{caption(1), caption(5), caption(10)}, T2I: recalls{image(1), image(5), image(10)}}
}

// missing is the probability that none of k different captions is one of the right ones.
func missing(captions, right, k int) float64 {
	p := 1.0
	for j := range min(k, captions) {
		p *= max(0, float64(captions-right-j)/float64(captions-j))
	}
	return p
}
