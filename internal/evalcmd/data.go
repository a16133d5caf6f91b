package evalcmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/align"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/scenes"
)

// errData is the class of everything wrong with the data to be evaluated.
var errData = errors.New("bad data")

// data is what is evaluated, wherever it came from: encodings of images and captions, and who belongs to whom.
type data struct {
	source   string // for the document
	model    string // fingerprint or name, "" if unknown
	images   []string
	captions []string
	texts    []string // of the captions; nil if unknown
	owner    []int    // image of every caption

	imageVectors   eval.Vectors // matching; Dim 0 if there are none
	captionVectors eval.Vectors
	imageTokens    *tokens // nil if there are none
	captionTokens  *tokens
	mode           align.Mode       // how tokens become a score
	alignment      eval.Scores      // computed elsewhere; nil if not
	ranking        *index.Ranking   // how the model ranks by both, but for labels; nil if it is not calibrated
	rankings       []*index.Ranking // of each caption; nil: none has labels
	labelScores    eval.Scores      // what labels add; nil: nothing

	imageKeys []string           // equal for equal pictures; nil: compare vectors
	words     func(c int) []word // of caption c's tokens; nil if unknown
	boxes     [][]region.Box     // of every image's region tokens; nil if unknown
	labels    [][]string
	photo     func(i int) (*picture.File, error) // nil if there are none
	mentions  [][]mention                        // of every caption; nil if unknown
	unique    *float64                           // share of captions that fit one image only

	lost map[string]bool // ids and texts of images that could not be encoded, and of their captions

	index       index.Searcher                                                  // from which the images were read; nil if from none
	scenes      []*scenes.Scene                                                 // where they are generated; else nil
	encodeText  func(ctx context.Context, text string) (*index.Encoding, error) // nil without a model
	asker       *aladin.Model                                                   // nil without a model
	calibration *bundle.Calibration                                             // of the model; nil if there is none
	counts      bundle.WordCounts                                               // of the model's training captions; nil if it does not know
	notes       []string                                                        // for the document
	cost        cost                                                            // of encoding
	close       []func() error
}

// word is the text that a caption's token stands for, by byte offsets into the caption.
type word struct {
	text       string
	start, end int
}

// mention is a noun of a caption and the true boxes of what it means.
type mention struct {
	start, end int
	boxes      []region.Box
}

// tokens are the word or region vectors of all items of one side, in one array.
type tokens struct {
	dim     int
	start   []int     // of every item and the end: tokens start[k]…start[k+1]
	data    []float32 // row-major, normalised; all-zero rows are null tokens
	weights []float32 // of every token; nil: all 1
}

func (t *tokens) items() int { return len(t.start) - 1 }

func (t *tokens) rows(k int) []float32 { return t.data[t.start[k]*t.dim : t.start[k+1]*t.dim] }

func (t *tokens) weightsOf(k int) []float32 {
	if t.weights == nil {
		return nil
	}
	return t.weights[t.start[k]:t.start[k+1]]
}

func (t *tokens) side(k int) align.Side {
	return align.Side{Tokens: t.rows(k), Weights: t.weightsOf(k)}
}

// validate checks that all parts fit together, and what could make figures meaningless.
func (d *data) validate() error {
	n, m := len(d.images), len(d.captions)
	switch {
	case n == 0:
		return fmt.Errorf("%w: no images", errData)
	case m == 0:
		return fmt.Errorf("%w: no captions", errData)
	case len(d.owner) != m:
		return fmt.Errorf("%w: %d captions, but the image of %d", errData, m, len(d.owner))
	case d.texts != nil && len(d.texts) != m:
		return fmt.Errorf("%w: %d captions, %d texts", errData, m, len(d.texts))
	}
	if err := distinct("image", d.images); err != nil {
		return err
	}
	if err := distinct("caption", d.captions); err != nil {
		return err
	}
	for c, i := range d.owner {
		if i < 0 || i >= n {
			return fmt.Errorf("%w: caption %d (%s) belongs to none of the %d images", errData, c, d.captions[c], n)
		}
	}
	if d.imageVectors.Dim > 0 {
		if d.imageVectors.Len() != n || d.captionVectors.Len() != m {
			return fmt.Errorf("%w: %d image and %d caption vectors for %d images and %d captions", errData, d.imageVectors.Len(), d.captionVectors.Len(), n, m)
		}
	}
	if (d.imageTokens == nil) != (d.captionTokens == nil) {
		return fmt.Errorf("%w: tokens of one side only; alignment needs regions and words", errData)
	}
	if d.imageTokens != nil {
		if d.imageTokens.dim != d.captionTokens.dim {
			return fmt.Errorf("%w: region tokens have %d dimensions, word tokens %d", errData, d.imageTokens.dim, d.captionTokens.dim)
		}
		if err := d.imageTokens.validate("region tokens", d.images); err != nil {
			return err
		}
		if err := d.captionTokens.validate("word tokens", d.captions); err != nil {
			return err
		}
	}
	if d.boxes != nil && len(d.boxes) != n {
		return fmt.Errorf("%w: boxes of %d images, %d images", errData, len(d.boxes), n)
	}
	if d.alignment != nil {
		if an, am := d.alignment.Dims(); an != n || am != m {
			return fmt.Errorf("%w: alignment scores are %d × %d, want %d images × %d captions", errData, an, am, n, m)
		}
	}
	if d.imageVectors.Dim == 0 && d.imageTokens == nil && d.alignment == nil {
		return fmt.Errorf("%w: neither matching vectors nor tokens nor alignment scores: nothing to evaluate", errData)
	}
	return nil
}

func distinct(what string, ids []string) error {
	seen := make(map[string]int, len(ids))
	for k, id := range ids {
		if first, ok := seen[id]; ok {
			return fmt.Errorf("%w: %s id %q stands for both %s %d and %d", errData, what, id, what, first, k)
		}
		seen[id] = k
	}
	return nil
}

func (t *tokens) validate(what string, ids []string) error {
	if t.items() != len(ids) || t.start[0] != 0 || t.start[t.items()]*t.dim != len(t.data) {
		return fmt.Errorf("%w: %s: %d items with %d values of dimension %d for %d ids", errData, what, t.items(), len(t.data), t.dim, len(ids))
	}
	if t.weights != nil && len(t.weights)*t.dim != len(t.data) {
		return fmt.Errorf("%w: %s: %d weights for %d tokens", errData, what, len(t.weights), len(t.data)/t.dim)
	}
	for k := range ids {
		if t.start[k+1] < t.start[k] {
			return fmt.Errorf("%w: %s: item %d (%s) has a negative count", errData, what, k, ids[k])
		}
		for j, v := range t.rows(k) {
			if v-v != 0 { // NaN or infinite
				return fmt.Errorf("%w: %s: value %d of token %d of item %d (%s) is %v", errData, what, j%t.dim, j/t.dim, k, ids[k], v)
			}
		}
		for j, w := range t.weightsOf(k) {
			if w-w != 0 || w < 0 {
				return fmt.Errorf("%w: %s: weight of token %d of item %d (%s) is %v", errData, what, j, k, ids[k], w)
			}
		}
	}
	return nil
}

// keys are equal for pictures that are the same: those given, or the bytes of the vectors.
func (d *data) keys() []string {
	if d.imageKeys != nil || d.imageVectors.Dim == 0 {
		return d.imageKeys
	}
	keys := make([]string, len(d.images))
	for i := range keys {
		keys[i] = vectorKey(d.imageVectors.Row(i))
	}
	return keys
}

// Close gives back files and mappings.
func (d *data) Close() error {
	var errs []error
	for _, f := range d.close {
		errs = append(errs, f())
	}
	d.close = nil
	return errors.Join(errs...)
}
