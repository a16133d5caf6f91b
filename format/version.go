package format

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Version is the format version that this package writes; MinReadVersion is the
// oldest that it reads. History:
//
//	1  first version
const (
	Version        = 1
	MinReadVersion = 1
)

// Sizes fixed by the format.
const (
	// Alignment of sections and of the end of a commit.
	Alignment = 64
	// MetaPage is the distance between the two meta slots.
	MetaPage = 4096
	// DataStart is where the first section may begin.
	DataStart = 2 * MetaPage
	// RecordsPerBlock is how many items share one compressed block.
	RecordsPerBlock = 32
	// MaxManifest bounds the manifest; FlatBuffers cannot exceed 2 GiB.
	MaxManifest = 1 << 30
)

// Kind says what a section holds. The numbers are part of the format.
type Kind uint16

// Kinds of sections, see the package documentation.
const (
	KindItem         Kind = 1
	KindID           Kind = 2
	KindIDOrder      Kind = 3
	KindMatch        Kind = 4
	KindMatchScale   Kind = 5
	KindRescore      Kind = 6
	KindRescoreScale Kind = 7
	KindCellStart    Kind = 8
	KindTokenFirst   Kind = 9
	KindTokenOffset  Kind = 10
	KindToken        Kind = 11
	KindTokenWeight  Kind = 12
	KindBox          Kind = 13
	KindLabel        Kind = 14
	KindLabelName    Kind = 15
	KindTag          Kind = 16
	KindTagRows      Kind = 17
	KindTombstone    Kind = 18
	KindRecordIndex  Kind = 19
	KindRecord       Kind = 20
	KindState        Kind = 21
	KindEdit         Kind = 22
	KindSign         Kind = 23
	KindSignFactor   Kind = 24

	KindDictionary Kind = 64
	KindCodebook   Kind = 65
	KindBits       Kind = 66
	KindCells      Kind = 67
	KindFileState  Kind = 68
	KindCellShape  Kind = 69
)

var kindNames = map[Kind]string{
	KindItem: "item kinds", KindID: "ids", KindIDOrder: "id order",
	KindMatch: "matching vectors", KindMatchScale: "matching scales",
	KindRescore: "rescoring vectors", KindRescoreScale: "rescoring scales",
	KindCellStart:  "cell starts",
	KindTokenFirst: "token numbers", KindTokenOffset: "token offsets", KindToken: "tokens",
	KindTokenWeight: "token weights",
	KindBox:         "boxes", KindLabel: "labels", KindLabelName: "label names",
	KindTag: "tags", KindTagRows: "tag rows", KindTombstone: "tombstones",
	KindRecordIndex: "record index", KindRecord: "records", KindState: "states", KindEdit: "edits",
	KindSign: "signs", KindSignFactor: "sign factors",
	KindDictionary: "dictionary", KindCodebook: "token codebook",
	KindBits: "bits means", KindCells: "cells", KindFileState: "file state", KindCellShape: "shapes of cells",
}

// String names the kind as messages and `info` show it.
func (k Kind) String() string {
	if s, ok := kindNames[k]; ok {
		return s
	}
	return "kind " + strconv.Itoa(int(k))
}

// Codec says how a section's vectors are coded; 0 for sections that hold no
// vectors. The numbers are part of the format.
type Codec uint16

// Codecs of matching vectors and tokens.
const (
	CodecF32  Codec = 1
	CodecF16  Codec = 2
	CodecInt8 Codec = 3
	CodecBits Codec = 4 // sign bits
	Codec4Bit Codec = 5 // residual to a centroid, 4 bits a value
	Codec2Bit Codec = 6 // residual to a centroid, 2 bits a value
	CodecNone Codec = 7 // no tokens kept
)

var codecNames = [...]string{"", "f32", "f16", "int8", "bits", "4bit", "2bit", "none"}

// String is the name used by flags, options and `info`.
func (c Codec) String() string {
	if int(c) < len(codecNames) {
		return codecNames[c]
	}
	return "codec " + strconv.Itoa(int(c))
}

// MarshalText and UnmarshalText let codecs stand in flags and JSON by name.
func (c Codec) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads a codec's name.
func (c *Codec) UnmarshalText(b []byte) error {
	i := slices.Index(codecNames[1:], string(b))
	if i < 0 {
		return fmt.Errorf("unknown codec %q: want %s", b, strings.Join(codecNames[1:], ", "))
	}
	*c = Codec(i + 1)
	return nil
}
