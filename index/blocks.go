package index

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/aladin-go/aladin/internal/container"
)

// blockCodec compresses and decompresses record blocks with a dictionary, which
// may be empty. It is safe for concurrent use.
type blockCodec struct {
	dict []byte
	enc  func() *zstd.Encoder // made when first needed: its tables take megabytes
	dec  func() *zstd.Decoder
}

const dictionaryID = 1

// plainBlocks serves all files without a dictionary.
var plainBlocks = makeBlockCodec(nil)

func newBlockCodec(dict []byte) *blockCodec {
	if len(dict) == 0 {
		return plainBlocks
	}
	return makeBlockCodec(dict)
}

func makeBlockCodec(dict []byte) *blockCodec {
	return &blockCodec{
		dict: dict,
		enc: sync.OnceValue(func() *zstd.Encoder {
			// No frame checksum: the block has its own.
			opts := []zstd.EOption{zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithEncoderLevel(zstd.SpeedBetterCompression)}
			if len(dict) > 0 {
				opts = append(opts, zstd.WithEncoderDictRaw(dictionaryID, dict))
			}
			enc, err := zstd.NewWriter(nil, opts...)
			if err != nil {
				panic(err) // the options are constants, and any bytes are a raw dictionary
			}
			return enc
		}),
		dec: sync.OnceValue(func() *zstd.Decoder {
			opts := []zstd.DOption{
				zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true),
				zstd.WithDecoderMaxMemory(maxBlockRaw), zstd.WithDecodeAllCapLimit(true),
			}
			if len(dict) > 0 {
				opts = append(opts, zstd.WithDecoderDictRaw(dictionaryID, dict))
			}
			dec, err := zstd.NewReader(nil, opts...)
			if err != nil {
				panic(err)
			}
			return dec
		}),
	}
}

func (c *blockCodec) appendBlock(dst, raw []byte) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, blockHead)...)
	form := uint32(blockZstd)
	dst = c.enc().EncodeAll(raw, dst)
	if n := len(dst) - at - blockHead; n >= len(raw) || len(raw) > maxExpansion*n {
		form = blockRaw
		dst = append(dst[:at+blockHead], raw...)
	}
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(raw)))
	binary.LittleEndian.PutUint32(dst[at+4:], form)
	binary.LittleEndian.PutUint32(dst[at+8:], container.Checksum(raw))
	return dst
}

// decode returns a block's raw bytes in memory of their own. It refuses blocks
// that expand more than appendBlock lets them.
func (c *blockCodec) decode(b []byte) ([]byte, error) {
	if len(b) < blockHead {
		return nil, fmt.Errorf("record block of %d bytes: %w", len(b), ErrCorrupt)
	}
	n := binary.LittleEndian.Uint32(b)
	form, crc, body := binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:]), b[blockHead:]
	var raw []byte
	switch {
	case form == blockRaw && int64(n) == int64(len(body)):
		raw = append([]byte(nil), body...)
	case form == blockZstd && n <= maxBlockRaw && int64(n) <= maxExpansion*int64(len(body)):
		// The capacity bounds what the decoder may write.
		var err error
		raw, err = c.dec().DecodeAll(body, make([]byte, 0, n))
		if err != nil || len(raw) != int(n) {
			return nil, fmt.Errorf("record block of %d bytes does not decompress to %d: %v: %w", len(b), n, err, ErrCorrupt)
		}
	default:
		return nil, fmt.Errorf("record block of %d bytes claims form %d, %d raw bytes: %w", len(b), form, n, ErrCorrupt)
	}
	if container.Checksum(raw) != crc {
		return nil, fmt.Errorf("record block of %d bytes: bad checksum: %w", len(b), ErrCorrupt)
	}
	return raw, nil
}
