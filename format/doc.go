// Package format defines the bytes of an ALADIN index file and reads and
// writes them safely. It knows sections, checksums and commits; what a section
// means for search is package index's business.
//
// # The file
//
// All numbers are little-endian. The file is only ever appended to; the two
// meta slots at its front are the only bytes written twice.
//
//	offset
//	     0  +-------------------+
//	        | meta slot 0       |  64 bytes, zeros up to 4096
//	  4096  +-------------------+
//	        | meta slot 1       |  64 bytes, zeros up to 8192
//	  8192  +-------------------+
//	        | section           |  each starts at a multiple of 64;
//	        |   zero padding    |  fewer than 64 zero bytes between
//	        | section           |
//	        |   …               |
//	        | manifest 1        |  a flatbuffer (manifest.fbs)
//	        +-------------------+  end of commit 1
//	        | section           |
//	        |   …               |
//	        | manifest 2        |
//	        +-------------------+  end of commit 2 = end of the file
//
// # A meta slot
//
//	 0  8  magic       89 'A' 'L' 'A' 'D' 'I' 'N' 0A
//	 8  4  version     of the format, see Version
//	12  4  zero
//	16  8  generation  1, 2, 3 …: commits so far; generation g lives in slot g%2
//	24  8  offset      of the manifest
//	32  8  length      of the manifest
//	40  8  end         length of the file as of this commit, a multiple of 64
//	48  4  crc         CRC-32C of the manifest
//	52  8  zero
//	60  4  crc         CRC-32C of the 60 bytes before
//
// A slot never written is all zeros. The valid slot with the highest generation
// is the file's current commit. A commit appends its sections and its manifest,
// syncs, writes the older slot, and syncs again. So a writer that dies anywhere
// leaves the former commit in place, and what it appended after that commit's
// end is overwritten by the next writer. The magic starts with a byte above 127
// and ends with a newline, so that a file mangled by a text-mode transfer is
// told from one that is cut short.
//
// # The manifest
//
// The manifest lists every live section with kind, codec, offset, length and
// CRC-32C: those shared by the whole file (dictionary, codebooks) and those of
// each segment, a segment being a batch of items that were written together.
// It also lists the dead extents: bytes of former manifests and of sections that
// later commits replaced. Meta pages, live sections, dead extents and the current
// manifest tile the file; the gaps are zero padding. So every byte of a file is
// covered by a checksum or known to be zero, and [Reader.Verify] finds any flip.
//
// FlatBuffers for Go has no verifier. This package checks the manifest's CRC,
// then walks the whole buffer against the schema (see verifier) before any
// generated accessor touches it, then checks every offset, length, count and
// alignment against the file (see Manifest.check). Vectors never live inside
// the flatbuffer.
//
// # Sections of a segment of n items with T tokens
//
// Items are numbered by row. Rows are in ascending order of id, or, in a file with
// cells, of cell and then id. Vectors are padded to a multiple of 64 values.
//
//	kind             content
//	KindItem         n × uint8: 0 image, 1 caption
//	KindID           n+1 × uint32 start offsets into the ids, then the ids' UTF-8 bytes
//	KindIDOrder      n × uint32: rows in ascending order of id. Absent = rows are
//	KindMatch        n matching vectors, in the section's codec
//	KindMatchScale   n × float32: value = scale · (code−128); int8 codec only
//	KindRescore      n int8 vectors beside a KindMatch of bits, and
//	KindRescoreScale their scales. Absent in all segments = only bits are kept
//	KindCellStart    C+1 × uint32: the row each cell begins at (with KindCells)
//	KindSign         n × one bit a value, see below (with KindCellShape)
//	KindSignFactor   n × float32
//	KindTokenFirst   n+1 × uint32: number of each item's first token
//	KindTokenOffset  n × uint64: where the block of an item's tokens begins in KindToken;
//	                 blocks lie in the order the items came in, not in order of rows
//	KindToken        a block of tokens for each item in the section's codec, see Tokens
//	                 in package scorer; each begins at a multiple of 64 (int8, f16) or
//	                 4 (residual codecs)
//	KindTokenWeight  T × float32. Absent = 1, and 0 for regions whose block says that they
//	                 take no part
//	KindBox          T × 4 uint16: x1, y1, x2, y2 in units of 1/65535
//	KindLabel        T × uint16 into KindLabelName; 65535 = no label
//	KindLabelName    a string table: count uint32, count+1 × uint32 offsets, bytes
//	KindTag          a string table: tags in ascending order
//	KindTagRows      count+1 × uint64 offsets, then a roaring bitmap of rows for each tag
//	KindTombstone    a roaring bitmap of deleted rows; absent = none
//	KindRecordIndex  B+1 × uint64: where each block of KindRecord begins
//	KindRecord       blocks of RecordsPerBlock records, one record a row. A block: length
//	                 of its raw bytes uint32, form uint32 (0 raw, 1 zstd), CRC-32C of the
//	                 raw bytes uint32, the bytes. A record: uvarint length, then text and
//	                 metadata each as uvarint length and bytes, then the number of words
//	                 as uvarint, and per word: start and length in the text as uvarints,
//	                 and 0 if the word is that part of the text, else its length+1
//	                 and its bytes. Absent = all records empty
//	KindState        a row table: what programs keep with items, at most 4096 bytes each
//	KindEdit         a row table: of items that were changed since the segment was written,
//	                 the record as uvarint length and bytes, which replaces that of KindRecord,
//	                 and the state, which replaces that of KindState
//
// A row table is: count uint64, count+1 × uint64 start offsets, count × uint32 rows in ascending
// order, bytes. Rows that are not in it have nothing. Programs that do not know KindState and KindEdit
// read the items as they were, and lose the kinds when they compact the file.
//
// The signs of a row are those of its matching vector, as its codes say, less the mean of its cell, rotated: three times, each
// 64 values are flipped by the bits of SplitMix64 of (round<<32 | number of the 64) + 1, go through a Walsh–Hadamard
// transform, and are dealt out, one by one, to all groups of 64. Bit i of byte i/8 is set if value i is not negative. The
// factor is the sum of squares of what is left of the vector, divided by the sum of its rotated values without their
// signs. All this follows from the other sections: programs that do not know it search cells by the codes.
//
// # Shared sections
//
//	KindDictionary   raw-content zstd dictionary of the record blocks
//	KindCodebook     of a residual token codec: what Tokens.MarshalBinary in package scorer writes
//	KindBits         2 × dim float32: the mean that items, and queries of their kind, are
//	                 centred with before signs are taken, and that of other queries
//	KindFileState    what a program keeps with the file, at most 1 MiB
//	KindCells        C × dim float32: centroids of the cells
//	KindCellShape    version uint32, 0 uint32, C × 2 float32: the mean of a cell's members is its centroid times the first
//	                 number, their distance from it, as a root of the mean square, about the second
//
// A reader ignores kinds that it does not know. What an older reader could not
// ignore safely raises the version.
//
// # Concurrency
//
// One [Writer] at a time holds the file's lock; any number of [Reader] values in
// any number of processes read beside it. A Reader sees the commit that was
// current when it was opened, for as long as it is open. Bytes returned by a
// Reader belong to its mapping: they are valid until Close.
package format
