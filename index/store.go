package index

import (
	"context"
	"fmt"
	"slices"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/internal/container"
	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/vector"
)

// store is how a file codes its items: options, dimensions and what all its
// segments share. Builder and Writer encode with it, Index decodes.
type store struct {
	opts          BuildOptions
	dim, tokenDim int
	rowBytes      int
	tokens        *vector.Tokens // nil: no tokens are kept, or their size is not known yet
	records       *blockCodec

	// Bits: what stored vectors and queries are centred with.
	centre, queryCentre []float32

	cells *cells // nil without

	shared []container.Section // written so far
}

// setDim fixes the size of matching vectors.
func (s *store) setDim(dim int) {
	s.dim = dim
	s.rowBytes = vector.RowBytes(s.opts.Match, dim) + 4
	if s.rescores() {
		s.rowBytes += vector.RowBytes(vector.Int8, dim)
	}
}

// rescores says that int8 codes lie beside the bits.
func (s *store) rescores() bool { return s.opts.Match == Bits && !s.opts.NoRescore }

func residual(c Codec) bool { return c == FourBit || c == TwoBit }

// train learns from the first items what encoding them needs, and writes it.
func (s *store) train(ctx context.Context, fw *container.Writer, sample []arrival) error {
	for i := range sample {
		e := sample[i].Encoding
		if s.dim == 0 {
			s.setDim(len(e.Matching))
		}
		if n := e.N(); n > 0 && s.tokenDim == 0 && s.opts.Regions != None {
			s.tokenDim = len(e.Tokens) / n
		}
	}
	if s.opts.Match == Bits && s.centre == nil && len(sample) > 0 {
		s.centre = meanMatching(sample, s.dim)
		s.queryCentre = s.centre
		if s.opts.QueryMean != nil {
			if len(s.opts.QueryMean) != s.dim {
				return fmt.Errorf("%w option: QueryMean of %d values for vectors of %d", ErrInvalid, len(s.opts.QueryMean), s.dim)
			}
			s.queryCentre = s.opts.QueryMean
		}
		both := append(append([]float32(nil), s.centre...), s.queryCentre...)
		if err := s.share(fw, format.KindBits, 0, elem.Bytes(both)); err != nil {
			return err
		}
	}
	if s.tokens != nil || s.tokenDim == 0 {
		return nil
	}
	return s.trainTokens(ctx, fw, sample)
}

func (s *store) trainTokens(ctx context.Context, fw *container.Writer, sample []arrival) (err error) {
	codec := s.opts.Regions
	if !residual(s.opts.Regions) {
		s.tokens, err = vector.NewTokens(codec, s.tokenDim)
		return err
	}
	if err := s.learnTokens(ctx, sample); err != nil || s.tokens == nil {
		return err
	}
	b, err := s.tokens.MarshalBinary()
	if err != nil {
		return err
	}
	return s.share(fw, format.KindCodebook, s.opts.Regions, b)
}

// learnTokens learns the codebook of a residual codec. Without a token that takes part, there is none.
func (s *store) learnTokens(ctx context.Context, sample []arrival) (err error) {
	var tokens []float32
	for i := range sample {
		e := sample[i].Encoding
		rounded := roundTokens(e, s.tokenDim, sample[i].from)
		for t := range e.N() {
			if e.weight(t) > 0 {
				tokens = append(tokens, rounded[t*s.tokenDim:(t+1)*s.tokenDim]...)
			}
		}
	}
	if len(tokens) == 0 {
		return nil
	}
	s.tokens, err = vector.TrainTokens(ctx, s.opts.Regions, s.tokenDim, tokens, nil)
	return err
}

// Codecs that are coarser than int8 work from what int8 leaves of a vector, so that a file is the same whether its
// items are encoded for it or come from files of int8 codes.

// roundMatch returns what int8 leaves of a matching vector, which is the vector itself if it was int8 already.
func roundMatch(v []float32, from *origin) []float32 {
	if from != nil && from.match().Codec == Int8 {
		return v
	}
	code, out := make([]byte, vector.RowBytes(Int8, len(v))), make([]float32, len(v))
	vector.DecodeRow(Int8, out, code, vector.EncodeRow(Int8, code, v, nil))
	return out
}

// roundTokens is roundMatch for an encoding's tokens of dim values.
func roundTokens(e *Encoding, dim int, from *origin) []float32 {
	if from != nil && from.s.store.opts.Regions == Int8 {
		return e.Tokens
	}
	code, out := make([]byte, vector.RowBytes(Int8, dim)), make([]float32, len(e.Tokens))
	for t := range e.N() {
		if e.weight(t) > 0 {
			vector.DecodeRow(Int8, out[t*dim:(t+1)*dim], code, vector.EncodeRow(Int8, code, e.token(t, dim), nil))
		}
	}
	return out
}

// appendBlock appends the block of an encoding's tokens to dst.
func appendBlock(dst []byte, t *vector.Tokens, e *Encoding, from *origin) ([]byte, error) {
	tokens := e.Tokens
	if residual(t.Codec()) {
		tokens = roundTokens(e, t.Dim(), from)
	}
	return t.AppendBlock(dst, tokens, e.Weights)
}

func (s *store) share(fw *container.Writer, kind format.Kind, codec Codec, b []byte) error {
	sec, err := fw.Append(kind, codec, b)
	if err != nil {
		return err
	}
	s.shared = append(s.shared, sec)
	return nil
}

// setState replaces the state of the file; nil leaves it as it is.
func (s *store) setState(fw *container.Writer, state []byte) error {
	if state == nil {
		return nil
	}
	s.shared = slices.DeleteFunc(slices.Clone(s.shared), func(s container.Section) bool { return s.Kind == format.KindFileState })
	if len(state) == 0 {
		return nil
	}
	return s.share(fw, format.KindFileState, 0, state)
}

func meanMatching(sample []arrival, dim int) []float32 {
	sum := make([]float64, dim)
	for i := range sample {
		for d, x := range roundMatch(sample[i].Encoding.Matching, sample[i].from) {
			sum[d] += float64(x)
		}
	}
	mean := make([]float32, dim)
	for d := range mean {
		mean[d] = float32(sum[d] / float64(len(sample)))
	}
	return mean
}

// trainDictionary learns the dictionary of record blocks once there is enough text.
func (s *store) trainDictionary(fw *container.Writer, records [][]byte) error {
	if len(s.records.dict) > 0 {
		return nil
	}
	dict := trainDictionary(records)
	if dict == nil {
		return nil
	}
	s.records = newBlockCodec(dict)
	return s.share(fw, format.KindDictionary, 0, dict)
}

// openStore reads how a file codes its items from its manifest. All that it
// keeps is copied out of the file, but for the cells.
func openStore(r *container.Reader) (*store, error) {
	m := r.Manifest()
	s := &store{shared: m.Shared}
	s.opts.Model = m.Model
	s.opts.Match, s.opts.Regions = m.MatchCodec, m.TokenCodec
	if _, err := s.opts.withDefaults(); err != nil || m.MatchCodec == 0 || m.TokenCodec == 0 {
		return nil, fmt.Errorf("codecs %v and %v: %w", m.MatchCodec, m.TokenCodec, ErrCorrupt)
	}
	if m.Dim > vector.MaxDim || m.TokenDim > vector.MaxDim || m.Dim == 0 && len(m.Segments) > 0 {
		return nil, fmt.Errorf("%d and %d dimensions: %w", m.Dim, m.TokenDim, ErrCorrupt)
	}
	if len(m.Segments) > 0 {
		_, rescore := m.Segments[0].Section(format.KindRescore)
		s.opts.NoRescore = !rescore
	}
	if m.Dim > 0 {
		s.setDim(m.Dim)
	}
	s.tokenDim = m.TokenDim
	var dict []byte
	if sec, ok := m.SharedSection(format.KindDictionary); ok {
		dict = append(dict, r.Bytes(sec)...)
	}
	if err := s.openTokens(r); err != nil {
		return nil, err
	}
	if s.opts.Match == Bits && m.Dim > 0 {
		sec, ok := m.SharedSection(format.KindBits)
		if !ok || sec.Length != int64(8*m.Dim) {
			return nil, fmt.Errorf("bits means missing or of %d bytes: %w", sec.Length, ErrCorrupt)
		}
		both := append([]float32(nil), elem.Load[float32](r.Bytes(sec))...)
		s.centre, s.queryCentre = both[:m.Dim:m.Dim], both[m.Dim:]
	}
	if sec, ok := m.SharedSection(format.KindCells); ok {
		if s.opts.Match == Bits && s.opts.NoRescore {
			return nil, fmt.Errorf("cells of vectors that are only bits: %w", ErrCorrupt)
		}
		var err error
		if s.cells, err = openCells(r.Bytes(sec), m.Dim); err != nil {
			return nil, err
		}
		if sec, ok := m.SharedSection(format.KindCellShape); ok {
			if err := s.cells.openShape(r.Bytes(sec)); err != nil {
				return nil, err
			}
		}
	}
	s.records = newBlockCodec(dict)
	return s, nil
}

func (s *store) openTokens(r *container.Reader) (err error) {
	if s.tokenDim == 0 || s.opts.Regions == None {
		return nil
	}
	if !residual(s.opts.Regions) {
		s.tokens, err = vector.NewTokens(s.opts.Regions, s.tokenDim)
		return err
	}
	sec, ok := r.Manifest().SharedSection(format.KindCodebook)
	if !ok {
		return nil
	}
	s.tokens, err = vector.UnmarshalTokens(r.Bytes(sec))
	if err == nil && (s.tokens.Dim() != s.tokenDim || s.tokens.Codec() != s.opts.Regions) {
		err = fmt.Errorf("codebook is for %d dimensions of %v", s.tokens.Dim(), s.tokens.Codec())
	}
	if err != nil {
		return fmt.Errorf("token codebook: %v: %w", err, ErrCorrupt)
	}
	return nil
}
