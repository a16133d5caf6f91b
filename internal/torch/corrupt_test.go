package torch

import (
	"archive/zip"
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// corrupt parses every prefix of a file and the file with each byte changed in several ways. Whatever still
// parses is walked and its small tensors are read.
func corrupt(t *testing.T, b []byte) {
	t.Helper()
	b = append([]byte(nil), b...)
	for i := range b {
		exercise(t, b[:i])
		for _, x := range []byte{0x01, 0x80, 0xff, b[i] ^ '.', b[i] ^ 'R'} {
			b[i] ^= x
			exercise(t, b)
			b[i] ^= x
		}
	}
}

// exercise uses a file as a program would.
func exercise(t *testing.T, b []byte) {
	f, err := Parse(b)
	if err != nil {
		return
	}
	visit(f.Value())
	ToPlain(f.Value())
	_ = f.Verify()
	if _, _, err := marshal(f.Value()); err != nil {
		return
	}
}

func visit(v any) {
	switch v := v.(type) {
	case *Tensor:
		if v.Len() < 1<<16 {
			_, _ = v.Float32()
			_, _ = v.Int64()
		}
	case []any:
		for _, x := range v {
			visit(x)
		}
	case Tuple:
		visit([]any(v))
	case *Dict:
		for k, x := range v.All() {
			visit(k)
			visit(x)
		}
	case *Object:
		visit(v.Args)
		visit(v.State)
		visit(v.List)
	}
}

// packed is a file of torch.save whose entries are compressed.
func packed(t *testing.T, entries map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		w, err := z.Create("archive/" + name)
		require.NoError(t, err)
		_, err = w.Write(entries[name])
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

// What was packed again is read; what unpacks to far more than it has bytes is refused before it is unpacked.
func TestPackedAgain(t *testing.T) {
	x, err := NewTensor([]int{600}, make([]float32, 600))
	require.NoError(t, err)
	pickle, storages, err := marshal(NewDict("x", x))
	require.NoError(t, err)
	data, err := storages[0].bytes(4)
	require.NoError(t, err)
	f, err := Parse(packed(t, map[string][]byte{"data.pkl": pickle, "data/0": data}))
	require.NoError(t, err)
	require.NoError(t, f.Verify())
	v, err := Lookup(f.Value(), "x")
	require.NoError(t, err)
	values, err := v.(*Tensor).Float32()
	require.NoError(t, err)
	require.Equal(t, make([]float32, 600), values)

	// A list of 64 million Nones packs to a thousandth.
	bomb := append(bytes.Repeat([]byte{'N'}, 64<<20), '.')
	_, err = Parse(packed(t, map[string][]byte{"data.pkl": bomb}))
	require.ErrorIs(t, err, ErrLimit)
	large, err := NewTensor([]int{16 << 20}, make([]float32, 16<<20))
	require.NoError(t, err)
	pickle, _, err = marshal(NewDict("x", large))
	require.NoError(t, err)
	_, err = Parse(packed(t, map[string][]byte{"data.pkl": pickle, "data/0": make([]byte, 64<<20)}))
	require.ErrorIs(t, err, ErrLimit)
}
