package container

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/format"
)

func TestCombineCRC(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		b := make([]byte, n*7)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		cut := 0
		if len(b) > 0 {
			cut = rng.IntN(len(b))
		}
		require.Equal(t, Checksum(b), combineCRC(Checksum(b[:cut]), Checksum(b[cut:]), int64(len(b)-cut)))
	}
}

func TestDeadExtentsStayFew(t *testing.T) {
	es := []Extent{{Offset: 0, Length: 60, CRC: 1}, {Offset: 64, Length: 10, CRC: 2}, {Offset: 192, Length: 64, CRC: 3}}
	joined := joinExtents(es)
	require.Len(t, joined, 2)
	require.EqualValues(t, 74, joined[0].Length)
}

func someManifest() *Manifest {
	m := &Manifest{Generation: 1, Model: "fingerprint", Dim: 768, TokenDim: 64, MatchCodec: format.CodecInt8, TokenCodec: format.Codec2Bit}
	at := int64(format.DataStart)
	section := func(k format.Kind) Section {
		s := Section{Kind: k, Codec: format.CodecInt8, Extent: Extent{Offset: at, Length: 64, CRC: 7}}
		at += 64
		return s
	}
	m.Shared = []Section{section(format.KindDictionary)}
	for range 3 {
		m.Segments = append(m.Segments, Segment{Items: 5, Deleted: 1, Tokens: 9, Sections: []Section{section(format.KindItem), section(format.KindID)}})
	}
	m.Dead = []Extent{section(format.KindItem).Extent}
	return m
}

func metaFor(m *Manifest, buf []byte) Meta {
	at := int64(format.DataStart + 64*8)
	n := int64(len(buf))
	return Meta{Version: format.Version, Generation: m.Generation, Manifest: Extent{Offset: at, Length: n, CRC: Checksum(buf)}, End: at + (n+63)/64*64}
}

func TestManifestRoundTrip(t *testing.T) {
	m := someManifest()
	buf := m.encode()
	require.Equal(t, buf, m.encode())
	got, err := decodeManifest(buf, metaFor(m, buf))
	require.NoError(t, err)
	require.Equal(t, m, got)
}

// Any bytes with a right checksum decode or fail; they never crash, and what
// decodes holds no more than the buffer.
func FuzzManifest(f *testing.F) {
	f.Add(someManifest().encode())
	f.Add((&Manifest{Generation: 1}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeManifest(b, metaFor(&Manifest{Generation: 1}, b))
		if err != nil {
			require.ErrorIs(t, err, format.ErrCorrupt)
			return
		}
		n := len(m.Shared) + len(m.Dead)
		for _, s := range m.Segments {
			n += len(s.Sections)
		}
		require.LessOrEqual(t, n*fbSection+4*len(m.Segments)+len(m.Model), len(b))
	})
}

// Every single-byte change of a manifest, with its checksum made right again,
// decodes or fails cleanly.
func TestManifestMutations(t *testing.T) {
	m := someManifest()
	buf := m.encode()
	for i := range buf {
		for _, v := range []byte{0, 1, 0x7f, 0x80, 0xff, buf[i] + 4, buf[i] - 4} {
			old := buf[i]
			buf[i] = v
			_, err := decodeManifest(buf, metaFor(m, buf))
			if err != nil {
				require.ErrorIs(t, err, format.ErrCorrupt)
			}
			buf[i] = old
		}
	}
}

func FuzzMeta(f *testing.F) {
	m := someManifest()
	f.Add(metaFor(m, m.encode()).encode(), int64(1<<20), true)
	f.Fuzz(func(t *testing.T, b []byte, size int64, fix bool) {
		if len(b) < metaSize || size < format.DataStart {
			return
		}
		if fix {
			binary.LittleEndian.PutUint32(b[60:], Checksum(b[:60]))
		}
		for slot := range 2 {
			meta, state, _ := decodeMeta(b, slot, size)
			if state == slotGood {
				require.LessOrEqual(t, meta.End, size)
				require.LessOrEqual(t, meta.Manifest.end(), meta.End)
				require.GreaterOrEqual(t, meta.Manifest.Offset, int64(format.DataStart))
			}
		}
	})
}
