package index

import (
	"fmt"
	"runtime"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/internal/container"
)

// Codec says how vectors are stored. Zero chooses the default, Int8. UnmarshalText reads one's name.
type Codec = format.Codec

// Codecs. Bits is for matching vectors, FourBit, TwoBit and None for tokens.
const (
	F32     = format.CodecF32
	F16     = format.CodecF16
	Int8    = format.CodecInt8
	Bits    = format.CodecBits
	FourBit = format.Codec4Bit
	TwoBit  = format.Codec2Bit
	None    = format.CodecNone
)

// Options say how to open an index. Nil and zero mean defaults.
type Options struct {
	// Model, when set, is the only model whose index is opened; another gives
	// ErrModelMismatch.
	Model string

	// Threads bounds the goroutines of one call; 0 is GOMAXPROCS. Results do not
	// depend on it.
	Threads int

	// CacheBytes bounds the memory for decompressed records; 0 is 8 MiB, negative
	// keeps none.
	CacheBytes int64

	// FS is where the file is; nil is the operating system.
	FS format.FS
}

func (o *Options) withDefaults() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	if c.Threads < 0 {
		return c, fmt.Errorf("%w option: %d threads", ErrInvalid, c.Threads)
	}
	if c.Threads == 0 {
		c.Threads = runtime.GOMAXPROCS(0)
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = 8 << 20
	}
	if c.FS == nil {
		c.FS = container.OS
	}
	return c, nil
}

// OnDuplicate says what becomes of an item whose id the index holds already.
type OnDuplicate uint8

// What to do with duplicates.
const (
	FailDuplicate    OnDuplicate = iota // Add returns ErrDuplicate
	SkipDuplicate                       // Add keeps the old item and counts
	ReplaceDuplicate                    // Add deletes the old item first and counts
)

// BuildOptions say how a Builder or Writer stores items. Nil and zero mean
// defaults. A Writer takes codecs and model from its file.
type BuildOptions struct {
	// Model is the fingerprint that every encoding must have. When empty, the first
	// item's is taken.
	Model string

	// Match is the codec of matching vectors: Int8 (default), F16, F32, Bits.
	// Regions is that of tokens: Int8 (default), F16, FourBit, TwoBit, None.
	Match   Codec
	Regions Codec

	// QueryMean is what the Bits codec centres queries with that are of another
	// kind than the items: the mean matching vector of many captions when the
	// items are images. Items, and queries of their kind, are centred with the
	// mean of the first items. Nil takes that for all queries, which costs
	// recall.
	QueryMean []float32

	// NoRescore keeps nothing of matching vectors but their Bits: an eighth of a
	// byte a value instead of a byte and an eighth. Match is then an estimate, good
	// enough to find candidates that Align ranks.
	NoRescore bool

	// Duplicates says what Add does with an id that is there already.
	Duplicates OnDuplicate

	// State is kept with a new file, for whom it means something; see Info. A Writer has
	// SetState.
	State []byte

	// SegmentBytes bounds the memory that items take until they are written, which
	// ends a segment; 0 is 64 MiB. Tokens do not count: they go straight to the
	// file. Codecs that learn from items (Bits, FourBit, TwoBit) hold up to 128 MiB
	// of the first ones besides.
	SegmentBytes int

	// NoLock writes without the lock between writers, for file systems that have none. The caller
	// sees to it that nothing else writes to the index.
	NoLock bool

	// FS is where the file is; nil is the operating system.
	FS format.FS
}

func (o *BuildOptions) withDefaults() (BuildOptions, error) {
	var c BuildOptions
	if o != nil {
		c = *o
	}
	if c.Match == 0 {
		c.Match = Int8
	}
	if c.Regions == 0 {
		c.Regions = Int8
	}
	switch c.Match {
	case F32, F16, Int8, Bits:
	default:
		return c, fmt.Errorf("%w option: matching vectors cannot be stored as %v", ErrInvalid, c.Match)
	}
	switch c.Regions {
	case F16, Int8, FourBit, TwoBit, None:
	default:
		return c, fmt.Errorf("%w option: regions cannot be stored as %v", ErrInvalid, c.Regions)
	}
	if c.Duplicates > ReplaceDuplicate || c.SegmentBytes < 0 {
		return c, fmt.Errorf("%w option: duplicates %d, segment bytes %d", ErrInvalid, c.Duplicates, c.SegmentBytes)
	}
	if len(c.State) > maxFileState {
		return c, fmt.Errorf("%w option: state of %d bytes, at most %d", ErrInvalid, len(c.State), maxFileState)
	}
	if c.SegmentBytes == 0 {
		c.SegmentBytes = 64 << 20
	}
	if c.FS == nil {
		c.FS = container.OS
	}
	if c.NoLock {
		c.FS = container.Unlocked(c.FS)
	}
	return c, nil
}
