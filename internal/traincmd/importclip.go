package traincmd

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/models"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/towers"
)

// clipImport is import --clip.
type clipImport struct {
	source       string
	int8, f16    bool
	matchingOnly bool
}

func (c *clipImport) register(f *flag.FlagSet) {
	f.StringVar(&c.source, "clip", "", "model of the CLIP family: a `folder`, a file of weights in one, or hf:OWNER/NAME[@REVISION] of the Hugging Face hub")
	f.BoolVar(&c.int8, "int8", false, "with --clip: weights and products of bytes: a quarter of the size, and faster on a CPU")
	f.BoolVar(&c.f16, "f16", false, "with --clip: weights of 16 bits: half the size on disk")
	f.BoolVar(&c.matchingOnly, "matching-only", false, "with --clip: leave out the vectors of words and of a picture's parts: the index is much smaller, hits are not explained")
}

func (c *clipImport) precision() (towers.Precision, error) {
	switch {
	case c.int8 && c.f16:
		return "", cli.Misuse("--int8 and --f16 exclude each other")
	case c.int8:
		return towers.Int8, nil
	case c.f16:
		return towers.F16, nil
	}
	return towers.F32, nil
}

// A clipReport says what came of import --clip.
type clipReport struct {
	Bundle    string           `json:"bundle"`
	Model     string           `json:"model"`
	Layout    string           `json:"layout"`
	Licence   string           `json:"licence"`
	Dim       int              `json:"dim"`
	Tokens    int              `json:"text_tokens"`
	Tokenizer string           `json:"tokenizer"`
	Pixels    json.RawMessage  `json:"pixels"`
	Grid      [2]int           `json:"grid"`
	Precision towers.Precision `json:"precision"`
	Bytes     int64            `json:"bytes"`
	Used      []string         `json:"used"`
	Ignored   []string         `json:"ignored"`
	Notes     []string         `json:"notes"`
	Seconds   float64          `json:"seconds"`
	// Text and Image say what fewer bits do; nil where there are as many as the model has.
	Text  *models.Loss `json:"text_loss,omitempty"`
	Image *models.Loss `json:"image_loss,omitempty"`
}

func (c *clipImport) run(ctx context.Context, env cli.Env, name, out string, asJSON bool) (err error) {
	p, err := c.precision()
	if err != nil {
		return err
	}
	began := time.Now()
	from, err := fetchSource(ctx, c.source, env.Stderr)
	if err != nil {
		return err
	}
	s, err := models.Open(from.path)
	if err != nil {
		return err
	}
	defer s.Close()
	if name == "" {
		name = from.name
	}
	if from.licence != "" {
		s.Licence = from.licence
	}
	s.Notes = append(s.Notes, from.notes...)
	b, err := s.Save(ctx, out, models.SaveOptions{Name: name, Precision: p, MatchingOnly: c.matchingOnly})
	if err != nil {
		return err
	}
	r := clipReport{Bundle: b.Dir(), Model: b.Fingerprint(), Layout: s.Layout, Licence: s.Licence, Dim: b.Manifest.Dims.Embed,
		Tokens: b.Manifest.Lengths.Caption, Tokenizer: b.Manifest.Tokenizer.Kind, Pixels: b.Manifest.Regions.Config, Grid: b.Manifest.Towers.Grid,
		Precision: p, Used: s.Used, Ignored: append([]string{}, s.Ignored...), Notes: append([]string{}, s.Notes...), Seconds: time.Since(began).Seconds()}
	for _, f := range b.Manifest.Files {
		r.Bytes += f.Size
	}
	if p != towers.F32 {
		if r.Text, r.Image, err = s.Compare(ctx, b, models.SaveOptions{}); errors.Is(err, ort.ErrUnavailable) {
			r.Notes = append(r.Notes, "what fewer bits do was not measured: "+err.Error())
		} else if err != nil {
			return err
		}
	}
	if asJSON {
		return json.NewEncoder(env.Stdout).Encode(r)
	}
	r.print(env, b)
	return nil
}

func (r *clipReport) print(env cli.Env, b *bundle.Bundle) {
	w := env.Stdout
	fmt.Fprintf(w, "%s: %s\n", r.Bundle, r.Model)
	fmt.Fprintf(w, "  found: %s", r.Layout)
	if r.Licence != "" {
		fmt.Fprintf(w, ", licence %s\n", r.Licence)
	} else {
		fmt.Fprintf(w, "; nothing says what its licence is\n")
	}
	fmt.Fprintf(w, "  vectors of %d; texts of %d tokens (%s); %s, %.1f MB, %.1f s\n", r.Dim, r.Tokens, r.Tokenizer, r.Precision, float64(r.Bytes)/1e6, r.Seconds)
	if b.Manifest.Aligns() {
		fmt.Fprintf(w, "  explains with %d×%d parts of a picture, untrained: where a word is shown is a guess until heads are trained\n", r.Grid[0], r.Grid[1])
	} else {
		fmt.Fprintf(w, "  matching only: hits are not explained\n")
	}
	for _, x := range []struct {
		what string
		loss *models.Loss
	}{{"text", r.Text}, {"image", r.Image}} {
		if l := x.loss; l != nil {
			fmt.Fprintf(w, "  %s tower: %.1f → %.1f MB, %.1f → %.1f ms, cosine with float32 %.5f, at worst %.5f (of generated scenes)\n",
				x.what, float64(l.Bytes[0])/1e6, float64(l.Bytes[1])/1e6, l.MeanTime[0], l.MeanTime[1], l.Cosine, l.Lowest)
		}
	}
	fmt.Fprintf(w, "  used: %s\n", strings.Join(r.Used, ", "))
	if len(r.Ignored) > 0 {
		fmt.Fprintf(w, "  ignored: %s\n", strings.Join(r.Ignored, ", "))
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "  note: %s\n", n)
	}
}
