package index

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/aladin-go/aladin/internal/vector"
)

// A LayoutSpec says how items are stored outside of a file. It is plain data, for the engine to keep.
type LayoutSpec struct {
	Model    string // fingerprint of the model that every encoding has
	Match    Codec  // of matching vectors: Int8 (default), F16 or F32
	Regions  Codec  // of tokens: Int8 (default), F16, FourBit, TwoBit or None
	Dim      int    // of matching vectors
	TokenDim int    // of tokens; 0 without
	Codebook []byte // what FourBit and TwoBit learned from a sample; nil for the others
}

// A Layout packs items into bytes for an engine that is no file, and ranks what the engine recalls by the code that
// ranks the rows of a file: the same candidates get the same scores and explanations, bit for bit. It is never
// changed and safe for concurrent use.
type Layout struct {
	spec   LayoutSpec
	tokens *vector.Tokens // nil: none are kept
}

// NewLayout checks a spec.
func NewLayout(spec LayoutSpec) (*Layout, error) {
	o, err := (&BuildOptions{Match: spec.Match, Regions: spec.Regions}).withDefaults()
	if err != nil {
		return nil, err
	}
	spec.Match, spec.Regions = o.Match, o.Regions
	if spec.Match == Bits {
		return nil, fmt.Errorf("%w layout: an engine that recalls by itself wants more of vectors than bits", ErrInvalid)
	}
	if spec.Dim < 1 || spec.Dim > vector.MaxDim || spec.TokenDim < 0 || spec.TokenDim > vector.MaxDim {
		return nil, fmt.Errorf("%w layout: vectors of %d values and tokens of %d", ErrInvalid, spec.Dim, spec.TokenDim)
	}
	l := &Layout{spec: spec}
	switch {
	case spec.Regions == None || spec.TokenDim == 0:
		l.spec.Codebook = nil
		return l, nil
	case !residual(spec.Regions):
		l.spec.Codebook = nil
		l.tokens, err = vector.NewTokens(spec.Regions, spec.TokenDim)
		return l, err
	}
	if l.tokens, err = vector.UnmarshalTokens(spec.Codebook); err != nil {
		return nil, fmt.Errorf("%w layout: the codebook of its tokens: %v", ErrInvalid, err)
	}
	if l.tokens.Codec() != spec.Regions || l.tokens.Dim() != spec.TokenDim {
		return nil, fmt.Errorf("%w layout: a codebook of %v for %d values; its tokens are %v of %d", ErrInvalid, l.tokens.Codec(), l.tokens.Dim(), spec.Regions, spec.TokenDim)
	}
	return l, nil
}

// TrainLayout makes a layout for items such as those of a sample, from which it takes what the spec leaves open:
// model, dimensions, and the codebook.
func TrainLayout(ctx context.Context, spec LayoutSpec, sample []Item) (*Layout, error) {
	s := &store{}
	for i := range sample {
		e := sample[i].Encoding
		if err := sample[i].check(spec.Dim, spec.TokenDim); err != nil {
			return nil, err
		}
		if spec.Model == "" {
			spec.Model = e.Model
		}
		spec.Dim = len(e.Matching)
		if n := e.N(); n > 0 {
			spec.TokenDim = len(e.Tokens) / n
		}
	}
	if s.opts.Regions, s.tokenDim = spec.Regions, spec.TokenDim; residual(spec.Regions) && spec.Codebook == nil && spec.TokenDim > 0 {
		arrivals := make([]arrival, len(sample))
		for i := range sample {
			arrivals[i].Item = sample[i]
		}
		err := s.learnTokens(ctx, arrivals)
		if err == nil && s.tokens == nil {
			err = fmt.Errorf("%w layout: %v is learned from tokens, and the sample has none", ErrInvalid, spec.Regions)
		}
		if err == nil {
			spec.Codebook, err = s.tokens.MarshalBinary()
		}
		if err != nil {
			return nil, err
		}
	}
	return NewLayout(spec)
}

// Spec is what NewLayout makes an equal layout of. Its bytes are the layout's.
func (l *Layout) Spec() LayoutSpec { return l.spec }

// Layout is how an engine stores the items of the file with the same codes.
func (ix *Index) Layout(ctx context.Context) (*Layout, error) {
	var l *Layout
	err := ix.viewCtx(ctx, func(sn *snapshot) (err error) {
		l, err = sn.layout()
		return err
	})
	return l, err
}

func (sn *snapshot) layout() (*Layout, error) {
	st := sn.store
	spec := LayoutSpec{Model: sn.r.Manifest().Model, Match: st.opts.Match, Regions: st.opts.Regions, Dim: st.dim, TokenDim: st.tokenDim}
	if st.opts.Match == Bits {
		if !st.rescores() {
			return nil, fmt.Errorf("%s: %w layout: the file keeps nothing of its vectors but bits, by which no engine recalls", sn.r.Name(), ErrInvalid)
		}
		spec.Match = Int8 // by which it ranks
	}
	if st.tokens == nil {
		spec.Regions, spec.TokenDim = None, 0
	} else if residual(st.opts.Regions) {
		var err error
		if spec.Codebook, err = st.tokens.MarshalBinary(); err != nil {
			return nil, err
		}
	}
	l, err := NewLayout(spec)
	if err != nil {
		err = fmt.Errorf("%s: %w", sn.r.Name(), err)
	}
	return l, err
}

// Packed yields all items as the file's Layout packs them, of one commit, in the order of IDs. Codes are the file's.
func (ix *Index) Packed(ctx context.Context) iter.Seq2[*Packed, error] {
	return func(yield func(*Packed, error) bool) {
		stopped := false
		err := ix.viewCtx(ctx, func(sn *snapshot) error {
			l, err := sn.layout()
			if err != nil {
				return err
			}
			for seg, s := range sn.segments {
				for c := (&cursor{sn: sn, seg: seg, s: s}); ; {
					if err := errors.Join(c.next(), ctx.Err()); err != nil {
						return err
					}
					if c.row < 0 {
						break
					}
					p, err := l.packRow(sn, c)
					if err != nil {
						return err
					}
					if p.Tags, err = c.tagsOf(); err != nil {
						return err
					}
					if stopped = !yield(p, nil); stopped {
						return nil
					}
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(nil, err)
		}
	}
}
