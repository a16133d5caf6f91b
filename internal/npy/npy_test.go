package npy

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/shareddata"
)

var arrays = map[string]*Array{
	"bool":    {Shape: []int{2}, Data: []bool{true, false}},
	"u8":      {Shape: []int{3}, Data: []uint8{1, 2, 255}},
	"i8":      {Shape: []int{2}, Data: []int8{-1, 127}},
	"u16":     {Shape: []int{2}, Data: []uint16{1, 65535}},
	"i16":     {Shape: []int{2}, Data: []int16{1, -32768}},
	"u32":     {Shape: []int{1}, Data: []uint32{1 << 31}},
	"i32":     {Shape: []int{1, 1, 2}, Data: []int32{-5, 7}},
	"u64":     {Shape: []int{1}, Data: []uint64{1 << 63}},
	"i64":     {Shape: []int{2, 2}, Data: []int64{1, -2, 3, math.MaxInt64}},
	"f32":     {Shape: []int{2, 3}, Data: []float32{1, 2, 3, 4, 5, 6.5}},
	"f64":     {Shape: []int{3, 1}, Data: []float64{1, -2, math.Inf(1)}},
	"scalar":  {Shape: []int{}, Data: []float64{42}},
	"nothing": {Shape: []int{0, 7}, Data: []float32{}},
}

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	for name, a := range arrays {
		p := filepath.Join(dir, name+".npy")
		require.NoError(t, WriteFile(p, a))
		got, err := ReadFile(p)
		require.NoError(t, err, name)
		if diff := cmp.Diff(a, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		require.Equal(t, a.Len(), got.Len())
	}
	for _, deflate := range []bool{false, true} {
		p := filepath.Join(dir, "all.npz")
		require.NoError(t, WriteZ(p, arrays, deflate))
		z, err := OpenZ(p)
		require.NoError(t, err)
		require.Len(t, z.Names(), len(arrays))
		require.True(t, z.Has("f32"))
		for name, a := range arrays {
			got, err := z.Read(name)
			require.NoError(t, err, name)
			if diff := cmp.Diff(a, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
		_, err = z.Read("absent")
		require.ErrorIs(t, err, os.ErrNotExist)
		require.NoError(t, z.Close())
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	require.Empty(t, left, "temporary files stay behind")
}

// file builds a .npy by hand, as other programs write it.
func file(version byte, header string, data []byte) []byte {
	b := append([]byte(magic), version, 0)
	if version == 1 {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(header)))
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(header)))
	}
	return append(append(b, header...), data...)
}

func TestRead(t *testing.T) {
	big := []byte{0x3f, 0x80, 0, 0, 0x40, 0, 0, 0}
	columns := []byte{1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6, 0} // [[1 2 3] [4 5 6]] by columns
	for _, c := range []struct {
		name string
		file []byte
		want *Array
	}{
		{"big-endian, version 2", file(2, "{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }\n", big), &Array{[]int{2}, []float32{1, 2}}},
		{"fortran, version 3", file(3, `{"shape":(2,3),"fortran_order":True,"descr":"<i2"}`, columns), &Array{[]int{2, 3}, []int16{1, 2, 3, 4, 5, 6}}},
		{"python 2 longs", file(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2L, 1L)}", []byte{8, 9}), &Array{[]int{2, 1}, []uint8{8, 9}}},
		{"float16", file(1, "{'descr': '<f2', 'fortran_order': False, 'shape': (), }", []byte{0, 0x3c}), &Array{[]int{}, []float32{1}}},
		{"bytes after the data", file(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (1,)}", []byte{1, 2, 3}), &Array{[]int{1}, []bool{true}}},
	} {
		got, err := Read(bytes.NewReader(c.file))
		require.NoError(t, err, c.name)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestReadErrors(t *testing.T) {
	ok := func(shape string) string { return "{'descr': '<f8', 'fortran_order': False, 'shape': " + shape + "}" }
	for _, c := range []struct {
		name string
		file []byte
		want error
	}{
		{"empty", nil, ErrFormat},
		{"not npy", []byte("PK\x03\x04 and more than ten bytes"), ErrFormat},
		{"version 9", file(9, ok("()"), nil), ErrUnsupported},
		{"huge header", append([]byte(magic), 2, 0, 255, 255, 255, 255), ErrFormat},
		{"cut header", file(1, ok("(2,)"), nil)[:30], ErrFormat},
		{"cut data", file(1, ok("(2,)"), make([]byte, 15)), ErrFormat},
		{"huge claim", file(1, ok("(1152921504606846975,)"), make([]byte, 8)), ErrFormat},
		{"large claim", file(1, ok("(100000000000,)"), make([]byte, 8)), ErrFormat},
		{"overflow", file(1, ok("(4294967296, 4294967296, 4294967296)"), nil), ErrFormat},
		{"beyond int", file(1, ok("(99999999999999999999999,)"), nil), ErrFormat},
		{"negative", file(1, ok("(-1,)"), nil), ErrFormat},
		{"objects", file(1, "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", make([]byte, 8)), ErrUnsupported},
		{"texts in two dimensions", file(1, "{'descr': '<U3', 'fortran_order': False, 'shape': (1, 1)}", make([]byte, 12)), ErrUnsupported},
		{"texts of no width", file(1, "{'descr': '<U0', 'fortran_order': False, 'shape': (1,)}", nil), ErrUnsupported},
		{"huge texts", file(1, "{'descr': '<U99999999', 'fortran_order': False, 'shape': (1,)}", nil), ErrUnsupported},
		{"texts cut short", file(1, "{'descr': '<U4', 'fortran_order': False, 'shape': (3,)}", make([]byte, 4)), ErrFormat},
		{"many texts", file(1, "{'descr': '<U1', 'fortran_order': False, 'shape': (2000000000,)}", make([]byte, 4)), ErrFormat},
		{"no character", file(1, "{'descr': '<U1', 'fortran_order': False, 'shape': (1,)}", []byte("\xff\xff\xff\xff")), ErrFormat},
		{"records", file(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", make([]byte, 4)), ErrUnsupported},
		{"missing key", file(1, "{'descr': '<f4', 'fortran_order': False}", nil), ErrFormat},
		{"repeated key", file(1, "{'descr': '<f4', 'descr': '<f4', 'shape': ()}", nil), ErrFormat},
		{"unknown key", file(1, "{'descr': '<f4', 'x': 1}", nil), ErrFormat},
		{"text after", file(1, ok("()")+"x", make([]byte, 8)), ErrFormat},
		{"dimensions", file(1, ok("("+strings.Repeat("1,", 99)+")"), make([]byte, 8)), ErrFormat},
		{"unterminated", file(1, "{'descr", nil), ErrFormat},
	} {
		_, err := Read(bytes.NewReader(c.file))
		require.ErrorIs(t, err, c.want, c.name)
	}
}

// TestHeaderBytes pins the bytes: they are what NumPy 1.26 writes for the same array.
func TestHeaderBytes(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, Write(&b, arrays["f32"]))
	want := "\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
	want += strings.Repeat(" ", 127-len(want)) + "\n"
	require.Equal(t, want, b.String()[:128])
	require.Equal(t, 128+24, b.Len())
}

func TestConversions(t *testing.T) {
	a := &Array{Shape: []int{2}, Data: []int32{3, -4}}
	f32, err := a.Float32s()
	require.NoError(t, err)
	require.Equal(t, []float32{3, -4}, f32)
	f64, err := a.Float64s()
	require.NoError(t, err)
	require.Equal(t, []float64{3, -4}, f64)
	i64, err := a.Int64s()
	require.NoError(t, err)
	require.Equal(t, []int64{3, -4}, i64)
	i64, err = arrays["bool"].Int64s()
	require.NoError(t, err)
	require.Equal(t, []int64{1, 0}, i64)
	_, err = arrays["f32"].Int64s()
	require.Error(t, err)
	_, err = (&Array{Data: "text"}).Float32s()
	require.ErrorIs(t, err, ErrUnsupported)
	require.ErrorIs(t, Write(&bytes.Buffer{}, &Array{Shape: []int{3}, Data: []float32{1}}), ErrFormat)
}

func TestRows(t *testing.T) {
	p := filepath.Join(t.TempDir(), "rows.npy")
	w, err := Create[float32](p, 3)
	require.NoError(t, err)
	for i := range 1000 {
		require.NoError(t, w.Append([]float32{float32(i), 1, 2}))
	}
	require.NoError(t, w.Append([]float32{9, 9, 9, 8, 8, 8}))
	require.ErrorIs(t, w.Append([]float32{1}), ErrFormat)
	require.ErrorIs(t, w.Append([]float64{1, 2, 3}), ErrFormat)
	require.Equal(t, 1002, w.Rows())
	require.NoFileExists(t, p)
	require.NoError(t, w.Close())
	require.NoError(t, w.Close())
	require.NoError(t, w.Discard())

	m, err := OpenMatrix(p)
	require.NoError(t, err)
	defer m.Close()
	all, ok := m.Float32s()
	require.True(t, ok)
	require.Len(t, all, 3006)
	require.Equal(t, []float32{8, 8, 8}, all[3003:])

	a, err := ReadFile(p)
	require.NoError(t, err)
	require.Equal(t, all, a.Data)
}

func TestDiscard(t *testing.T) {
	dir := t.TempDir()
	w, err := Create[int64](filepath.Join(dir, "x.npy"), 2)
	require.NoError(t, err)
	require.NoError(t, w.Append([]int64{1, 2}))
	require.NoError(t, w.Discard())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestMatrixErrors(t *testing.T) {
	dir := t.TempDir()
	for name, b := range map[string][]byte{
		"vector":  file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", make([]byte, 4)),
		"short":   file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1)}", make([]byte, 4)),
		"fortran": file(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2)}", make([]byte, 16)),
	} {
		p := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(p, b, 0o600))
		_, err := OpenMatrix(p)
		require.Error(t, err, name)
	}
}

func TestArchiveErrors(t *testing.T) {
	p := filepath.Join(t.TempDir(), "bad.npz")
	archive := func(tail string, names ...string) {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for _, name := range names {
			e, err := z.Create(name)
			require.NoError(t, err)
			require.NoError(t, Write(e, arrays["u8"]))
			_, err = e.Write([]byte(tail))
			require.NoError(t, err)
		}
		require.NoError(t, z.Close())
		require.NoError(t, os.WriteFile(p, b.Bytes(), 0o600))
	}
	archive("", "a.npy", "b.npy", "a.npy")
	_, err := OpenZ(p)
	require.ErrorIs(t, err, ErrFormat, "one name twice")

	archive("x", "a.npy", "readme.txt")
	z, err := OpenZ(p)
	require.NoError(t, err)
	defer z.Close()
	require.Equal(t, []string{"a"}, z.Names())
	_, err = z.Read("a")
	require.ErrorIs(t, err, ErrFormat, "bytes after the data")

	bomb := filepath.Join(t.TempDir(), "bomb.npz") // a thousandth of what it unpacks to
	require.NoError(t, WriteZ(bomb, map[string]*Array{"a": {Shape: []int{128 << 20}, Data: make([]uint8, 128<<20)}}, true))
	packed, err := OpenZ(bomb)
	require.NoError(t, err)
	defer packed.Close()
	_, err = packed.Read("a")
	require.ErrorIs(t, err, ErrFormat)
	require.ErrorContains(t, err, "unpack to")
}

// TestShared reads an archive that NumPy wrote.
func TestShared(t *testing.T) {
	z, err := OpenZ(shareddata.Dir(t, "aladin-tiny", "expected.npz"))
	require.NoError(t, err)
	defer z.Close()
	require.Greater(t, len(z.Names()), 150)
	for _, name := range z.Names() {
		a, err := z.Read(name)
		require.NoError(t, err, name)
		v, err := a.Float64s()
		require.NoError(t, err, name)
		require.Len(t, v, a.Len())
	}
	a, err := z.Read("inputs/img_feats")
	require.NoError(t, err)
	require.Equal(t, []int{12, 10, 26}, a.Shape)
	a, err = z.Read("inputs/cap_ids")
	require.NoError(t, err)
	ids, err := a.Int64s()
	require.NoError(t, err)
	require.EqualValues(t, 7, ids[0], "captions start with [CLS]")
}

func FuzzRead(f *testing.F) {
	f.Add(file(1, "{'descr': '<U2', 'fortran_order': False, 'shape': (2,)}", []byte("a\x00\x00\x00b\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00")))
	for _, a := range arrays {
		var b bytes.Buffer
		require.NoError(f, Write(&b, a))
		f.Add(b.Bytes())
	}
	f.Add(file(2, "{'descr': '>f4', 'fortran_order': True, 'shape': (1, 2L), }\n", make([]byte, 8)))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		if len(a.Shape) == 0 || a.Len() > 0 {
			require.LessOrEqual(t, a.Len(), len(b))
		}
		var w bytes.Buffer
		require.NoError(t, Write(&w, a))
		back, err := Read(&w)
		require.NoError(t, err)
		require.Equal(t, a.Shape, back.Shape)
	})
}

func TestTexts(t *testing.T) {
	for _, texts := range [][]string{{}, {""}, {"a", "", "犬 und 🐕", "photos/é.jpg#0"}} {
		var b bytes.Buffer
		require.NoError(t, Write(&b, &Array{Shape: []int{len(texts)}, Data: texts}))
		got, err := Read(&b)
		require.NoError(t, err)
		require.Equal(t, texts, got.Data)
		require.Equal(t, []int{len(texts)}, got.Shape)
	}
	got, err := Read(bytes.NewReader(file(1, "{'descr': '|S3', 'fortran_order': False, 'shape': (2,)}", []byte("ab\x00xyz"))))
	require.NoError(t, err)
	require.Equal(t, []string{"ab", "xyz"}, got.Data)
	_, err = got.Int64s()
	require.ErrorIs(t, err, ErrUnsupported)
	got, err = Read(bytes.NewReader(file(1, "{'descr': '>U1', 'fortran_order': False, 'shape': (1,)}", []byte("\x00\x00\x00a"))))
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, got.Data)
}
