package safetensors

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/elem"
)

func sample() map[string]*Tensor {
	return map[string]*Tensor{
		"w":      NewTensor([]int{2, 3}, []float32{1, 2, 3, 4, 5, 6}),
		"b":      NewTensor([]int{3}, []float32{7, 8, 9}),
		"ids":    NewTensor([]int{2}, []int64{1, -5}),
		"bytes":  NewTensor([]int{3}, []uint8{1, 2, 3}),
		"half":   {Type: elem.Float16, Shape: []int{2}, Data: []byte{0, 0x3c, 0, 0xc0}},
		"brain":  {Type: elem.BFloat16, Shape: []int{1}, Data: []byte{0x80, 0x3f}},
		"yes":    {Type: elem.Bool, Shape: []int{}, Data: []byte{1}},
		"double": NewTensor([]int{1, 1}, []float64{0.5}),
		"none":   NewTensor([]int{0, 4}, []float32{}),
	}
}

func encode(t testing.TB, tensors map[string]*Tensor, metadata map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, Write(&b, tensors, metadata))
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	p := filepath.Join(t.TempDir(), "model.safetensors")
	require.NoError(t, Save(p, sample(), map[string]string{"format": "pt"}))
	b, err := os.ReadFile(p)
	require.NoError(t, err)
	require.Equal(t, b, encode(t, sample(), map[string]string{"format": "pt"}), "the same tensors give the same bytes")

	f, err := Open(p)
	require.NoError(t, err)
	defer f.Close()
	require.Equal(t, []string{"ids", "double", "b", "none", "w", "brain", "half", "bytes", "yes"}, f.Names())
	require.Equal(t, map[string]string{"format": "pt"}, f.Metadata())
	for name, want := range sample() {
		got := f.Tensor(name)
		require.Equal(t, want.Type, got.Type, name)
		require.Equal(t, want.Shape, got.Shape, name)
		require.Equal(t, want.Len(), got.Len(), name)
		require.True(t, bytes.Equal(want.Data, got.Data), name)
	}
	w, err := f.Tensor("w").Float32()
	require.NoError(t, err)
	require.Equal(t, []float32{1, 2, 3, 4, 5, 6}, w)
	_, ok := elem.View[float32](f.Tensor("w").Data)
	require.True(t, ok, "aligned")
	half, err := f.Tensor("half").Float32()
	require.NoError(t, err)
	require.Equal(t, []float32{1, -2}, half)
	ids, err := f.Tensor("ids").Int64()
	require.NoError(t, err)
	require.Equal(t, []int64{1, -5}, ids)
	yes, err := f.Tensor("yes").Int64()
	require.NoError(t, err)
	require.Equal(t, []int64{1}, yes)
	_, err = f.Tensor("w").Int64()
	require.ErrorIs(t, err, elem.ErrType)
	require.Nil(t, f.Tensor("absent"))
}

// TestGolden pins the bytes; Hugging Face's library writes the same.
func TestGolden(t *testing.T) {
	header := `{"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}}`
	for len(header)%8 != 0 {
		header += " "
	}
	want := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	want = append(append(want, header...), 0, 0, 0x80, 0x3f, 1, 2)
	got := encode(t, map[string]*Tensor{"a": NewTensor([]int{2}, []uint8{1, 2}), "b": NewTensor([]int{1}, []float32{1})}, map[string]string{"format": "pt"})
	require.Equal(t, string(want), string(got))
	f, err := Parse(encode(t, nil, nil))
	require.NoError(t, err)
	require.Empty(t, f.Names())
}

func TestErrors(t *testing.T) {
	file := func(header string, n int) []byte {
		b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
		return append(append(b, header...), make([]byte, n)...)
	}
	one := func(s string) string { return `{"a":` + s + `}` }
	for _, c := range []struct {
		name string
		file []byte
		want error
	}{
		{"empty", nil, ErrFormat},
		{"huge header", []byte{255, 255, 255, 255, 255, 255, 255, 255}, ErrFormat},
		{"cut header", file("{}", 0)[:9], ErrFormat},
		{"no object", file("[]", 0), ErrFormat},
		{"no JSON", file("{{", 0), ErrFormat},
		{"unclosed", file(`{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}`, 1), ErrFormat},
		{"text after", file("{}{}", 0), ErrFormat},
		{"cut data", file(one(`{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`), 7), ErrFormat},
		{"bytes after", file(one(`{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`), 9), ErrFormat},
		{"shape and bytes", file(one(`{"dtype":"F32","shape":[3],"data_offsets":[0,8]}`), 8), ErrFormat},
		{"negative", file(one(`{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}`), 8), ErrFormat},
		{"overflow", file(one(`{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,8]}`), 8), ErrFormat},
		{"backwards", file(one(`{"dtype":"U8","shape":[0],"data_offsets":[0,-1]}`), 8), ErrFormat},
		{"end before start", file(one(`{"dtype":"U8","shape":[0],"data_offsets":[8,0]}`), 8), ErrFormat},
		{"gap", file(one(`{"dtype":"U8","shape":[1],"data_offsets":[1,2]}`), 2), ErrFormat},
		{"overlap", file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3), ErrFormat},
		{"twice", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2), ErrFormat},
		{"metadata twice", file(`{"__metadata__":{},"__metadata__":{}}`, 0), ErrFormat},
		{"metadata", file(`{"__metadata__":{"a":1}}`, 0), ErrFormat},
		{"type", file(one(`{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}`), 1), ErrUnsupported},
	} {
		_, err := Parse(c.file)
		require.ErrorIs(t, err, c.want, c.name)
	}
	var b bytes.Buffer
	require.ErrorIs(t, Write(&b, map[string]*Tensor{"a": {Type: elem.Float32, Shape: []int{2}}}, nil), ErrFormat)
	require.ErrorIs(t, Write(&b, map[string]*Tensor{"a": {Type: elem.Complex64, Shape: []int{0}}}, nil), ErrUnsupported)
	require.ErrorIs(t, Write(&b, map[string]*Tensor{metadataKey: NewTensor([]int{0}, []uint8{})}, nil), ErrFormat)
}

func TestCorrupted(t *testing.T) {
	b := encode(t, sample(), map[string]string{"format": "pt"})
	for i := range b {
		exercise(b[:i])
		for _, x := range []byte{1, 0x10, 0x80, 0xff} {
			b[i] ^= x
			exercise(b)
			b[i] ^= x
		}
	}
}

func exercise(b []byte) {
	f, err := Parse(b)
	if err != nil {
		return
	}
	for _, name := range f.Names() {
		_, _ = f.Tensor(name).Float32()
		_, _ = f.Tensor(name).Int64()
	}
}

func FuzzParse(f *testing.F) {
	f.Add(encode(f, sample(), map[string]string{"format": "pt"}))
	f.Fuzz(func(_ *testing.T, b []byte) { exercise(b) })
}
