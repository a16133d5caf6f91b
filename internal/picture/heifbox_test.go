package picture

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

func heifBox(kind string, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
	return append(append(b, kind...), body...)
}

// heif is a file without pixels whose primary picture lies as its properties say.
func heif(w, h uint32, properties ...[]byte) []byte {
	size := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(make([]byte, 4), w), h)
	boxes := [][]byte{heifBox("ispe", make([]byte, 12)), heifBox("ispe", size)}
	table := []byte{0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 1, 1, 0, 7, byte(1 + len(properties)), 0x82}
	for i, p := range properties {
		boxes = append(boxes, p)
		table = append(table, byte(3+i))
	}
	return append(heifBox("ftyp", []byte("heic\x00\x00\x00\x00mif1heic")), heifBox("meta", make([]byte, 4),
		heifBox("pitm", []byte{0, 0, 0, 0, 0, 7}),
		heifBox("iprp", heifBox("ipco", boxes...), heifBox("ipma", table)),
	)...)
}

func TestHEIFHeader(t *testing.T) {
	irot := func(n byte) []byte { return heifBox("irot", []byte{n}) }
	imir := func(n byte) []byte { return heifBox("imir", []byte{n}) }
	for _, c := range []struct {
		properties [][]byte
		want       turn
	}{
		{nil, upright}, {[][]byte{irot(1)}, toTurnLeft}, {[][]byte{irot(2)}, upsideDown}, {[][]byte{irot(3)}, toTurnRight},
		{[][]byte{imir(0)}, mirroredUpsideDown}, {[][]byte{imir(1)}, mirrored}, {[][]byte{irot(1), imir(1)}, transposedAcross}, {[][]byte{irot(3), imir(1)}, transposed},
	} {
		data := heif(40, 30, c.properties...)
		require.Equal(t, HEIC, Sniff(data))
		h, err := (&input{bytes.NewReader(data), int64(len(data))}).heifHeader()
		require.NoError(t, err)
		require.Equal(t, header{w: 40, h: 30, turn: c.want}, h)
	}
	_, err := Open(bytes.NewReader(heif(40, 30)), nil)
	require.ErrorIs(t, err, ErrFormat, "no decoder is imported here")
	require.ErrorContains(t, err, "HEIC")
}

func FuzzHEIFHeader(f *testing.F) {
	f.Add(heif(40, 30, heifBox("irot", []byte{1})))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := (&input{bytes.NewReader(data), int64(len(data))}).heifHeader()
		if err == nil && (h.w < 1 || h.h < 1 || h.turn < upright || h.turn > toTurnLeft) {
			t.Fatal(h)
		}
	})
}
