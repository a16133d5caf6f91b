package torch

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"flag"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the files of testdata anew")

func tensor(t testing.TB, shape []int, values ...float32) *Tensor {
	t.Helper()
	x, err := NewTensor(shape, values)
	require.NoError(t, err)
	return x
}

// sample has every kind of value that Write takes.
func sample(t testing.TB) *Dict {
	a := tensor(t, []int{2, 3}, 1, 2, 3, 4, 5, 6)
	transposed := *a
	transposed.Shape, transposed.Stride = []int{3, 2}, []int{1, 3}
	ids, err := NewTensor([]int{2}, []int64{1, -5})
	require.NoError(t, err)
	huge, _ := new(big.Int).SetString("-123456789012345678901234567890", 10)
	ordered := &Dict{Ordered: true, State: NewDict("_metadata", int64(1))}
	ordered.Set("weight", a)
	d := NewDict(
		"a", a, "transposed", &transposed, "ids", ids, "model", ordered,
		"none", nil, "yes", true, "no", false,
		"ints", []any{int64(0), int64(255), int64(256), int64(65536), int64(-1), int64(math.MinInt64), huge},
		"floats", []any{1.5, math.Inf(-1)},
		"text", "é\n", "bytes", []byte{0, 128, 255},
		"tuples", Tuple{Tuple{}, Tuple{int64(1)}, Tuple{int64(1), int64(2)}, Tuple{int64(1), int64(2), int64(3), int64(4)}},
		"opt", NewNamespace(NewDict("lr", 1e-5)),
		"device", &Object{Class: classDevice, Args: Tuple{"cuda", int64(0)}},
		"set", &Object{Class: Class{"builtins", "set"}, List: []any{int64(1)}},
		"class", Class{"torch", "float32"},
		"counter", &Object{Class: Class{"collections", "Counter"}, Args: Tuple{}, Items: NewDict("k", int64(1))},
		"deque", &Object{Class: Class{"collections", "deque"}, Args: Tuple{}, List: []any{"e"}},
	)
	require.NoError(t, d.SetKey(7, "seven"))
	require.NoError(t, d.SetKey(Tuple{int64(1), "a"}, "pair"))
	require.NoError(t, d.SetKey(nil, "nothing"))
	return d
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, Write(&b, v))
	return b.Bytes()
}

// legacyFile wraps pickles made here in the old container.
func legacyFile(pickle []byte, keys []string, storages ...[]byte) []byte {
	b := []byte("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.")
	b = append(b, pickle...)
	list := make([]any, len(keys))
	for i, k := range keys {
		list[i] = k
	}
	p, _, _ := marshal(list)
	b = append(b, p...)
	for _, s := range storages {
		b = append(b, s...)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	want := sample(t)
	b := encode(t, want)
	require.Equal(t, b, encode(t, want), "the same value gives the same bytes")
	f, err := Parse(b)
	require.NoError(t, err)
	require.NoError(t, f.Verify())
	if diff := cmp.Diff(any(want), f.Value(), sameTensors); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	d := f.Value().(*Dict)
	for _, key := range []any{7, int64(7), 7.0, Tuple{int64(1), "a"}, Tuple{1.0, "a"}, nil} {
		_, ok := d.Get(key)
		require.True(t, ok, "%v", key)
	}
	a, _ := Lookup(d, "a")
	tr, _ := Lookup(d, "transposed")
	require.Same(t, a.(*Tensor).Storage, tr.(*Tensor).Storage)
	values, err := tr.(*Tensor).Float32()
	require.NoError(t, err)
	require.Equal(t, []float32{1, 4, 2, 5, 3, 6}, values)
	weight, err := Lookup(d, "model", "weight")
	require.NoError(t, err)
	require.Same(t, a.(*Tensor).Storage, weight.(*Tensor).Storage)
}

// TestGolden pins the container's bytes; PyTorch 1.13 has read this very file.
func TestGolden(t *testing.T) {
	path := filepath.Join("testdata", "sample.pt")
	if *update {
		require.NoError(t, Save(path, sample(t)))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, want, encode(t, sample(t)))
	z, err := zip.NewReader(bytes.NewReader(want), int64(len(want)))
	require.NoError(t, err)
	for _, e := range z.File {
		at, err := e.DataOffset()
		require.NoError(t, err)
		require.Zero(t, at%alignment, e.Name)
	}
}

func TestWriteConveniences(t *testing.T) {
	f, err := Parse(encode(t, map[string]any{"b": []string{"x"}, "a": []int{1}, "c": float32(0.5), "d": int32(3), "e": []float64{2}, "f": []int64{9}}))
	require.NoError(t, err)
	want := any(NewDict("a", []any{int64(1)}, "b", []any{"x"}, "c", 0.5, "d", int64(3), "e", []any{2.0}, "f", []any{int64(9)}))
	require.Empty(t, cmp.Diff(want, f.Value(), sameTensors))

	sd, err := StateDict(NewDict("w", tensor(t, []int{1}, 3)))
	require.NoError(t, err)
	f, err = Parse(encode(t, sd))
	require.NoError(t, err)
	require.True(t, f.Value().(*Dict).Ordered)
}

func TestWriteErrors(t *testing.T) {
	cycle := []any{nil}
	cycle[0] = cycle
	for name, v := range map[string]any{
		"unknown type":    struct{}{},
		"cycle":           cycle,
		"class name":      Class{"a\nb", "c"},
		"named arguments": &Object{Class: Class{"a", "b"}, Kwargs: &Dict{}},
		"element type":    &Tensor{Type: 0, Storage: &Storage{}},
	} {
		require.Error(t, Write(&bytes.Buffer{}, v), name)
	}
	dir := t.TempDir()
	require.Error(t, Save(filepath.Join(dir, "x"), struct{}{}))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestPickles runs hand-written pickles of all protocols.
func TestPickles(t *testing.T) {
	for _, c := range []struct {
		pickle string
		want   any
	}{
		{"I01\n.", true},
		{"I00\n.", false},
		{"I-7\n.", int64(-7)},
		{"L123L\n.", int64(123)},
		{"F1e3\n.", 1000.0},
		{"S'a\\'b\\x41\\n'\n.", "a'bA\n"},
		{"Va\\u00e9\n.", "aé"},
		{"(I1\nI2\nl.", []any{int64(1), int64(2)}},
		{"(S'a'\nI1\nd.", NewDict("a", int64(1))},
		{"(lp0\nI5\na.", []any{int64(5)}},
		{"(I1\nt.", Tuple{int64(1)}},
		{"I1\n2\x86.", Tuple{int64(1), int64(1)}},
		{"N(I1\n10I5\n.", int64(5)},
		{"N(00I5\n.", int64(5)}, // POP takes a mark, then None
		{"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00\x8c\x01a\x94h\x00\x86.", Tuple{"a", "a"}},
		{"\x80\x04\x8f(K\x01\x90.", &Object{Class: Class{"builtins", "set"}, List: []any{int64(1)}}},
		{"\x80\x04(K\x01\x91.", &Object{Class: Class{"builtins", "frozenset"}, List: []any{int64(1)}}},
		{"\x80\x05\x96\x02\x00\x00\x00\x00\x00\x00\x00hi.", []byte("hi")},
		{"\x80\x02X\x03\x00\x00\x00\xed\xa0\x80.", "\uFFFD"},
		{"\x80\x02\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00.", new(big.Int).Lsh(big.NewInt(1), 63)},
		{"\x80\x02\x8a\x00.", int64(0)},
		{"\x80\x02\x8a\x01\xff.", int64(-1)},
		{"cos\nsystem\n(S'true'\ntR.", &Object{Class: Class{"os", "system"}, Args: Tuple{"true"}}},
		{"(S'true'\nios\nsystem\n.", &Object{Class: Class{"os", "system"}, Args: Tuple{"true"}}},
		{"(cos\nsystem\nS'true'\no.", &Object{Class: Class{"os", "system"}, Args: Tuple{"true"}}},
		{"cm\nf\n)R)R.", &Object{Args: Tuple{&Object{Class: Class{"m", "f"}, Args: Tuple{}}}}},
		{"\x80\x04\x8c\x01m\x8c\x01C\x93)}\x92K\x01b.", &Object{Class: Class{"m", "C"}, Args: Tuple{}, Kwargs: &Dict{}, State: int64(1)}},
		{"ccopy_reg\n_reconstructor\n(cargparse\nNamespace\nc__builtin__\nobject\nNtR(S'x'\nI1\ndb.", NewNamespace(NewDict("x", int64(1)))},
		{"ccollections\nOrderedDict\n((lp0\n(lp1\nS'a'\naI1\naatR.", &Dict{Ordered: true, keys: []any{"a"}, values: []any{int64(1)}, index: map[any]int{"a": 0}}},
		{"c__builtin__\nset\n((lI1\natR.", &Object{Class: Class{"builtins", "set"}, List: []any{int64(1)}}},
		{"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbS'\\x00\\x00\\x00\\x00\\x00\\x00\\xf8?'\ntR.", 1.5},
	} {
		raw, end, err := unpickle([]byte(c.pickle), 0, nil)
		require.NoError(t, err, "%q", c.pickle)
		require.Equal(t, len(c.pickle), end)
		got, err := freeze(raw, end)
		require.NoError(t, err, "%q", c.pickle)
		if diff := cmp.Diff(c.want, got, sameTensors); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.pickle, diff)
		}
	}
}

// TestNumpyKeys: a dict keyed by NumPy's integers is found by plain ones.
func TestNumpyKeys(t *testing.T) {
	p := "(cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'i8'\nI0\nI1\ntRS'\\x07\\x00\\x00\\x00\\x00\\x00\\x00\\x00'\ntRS'seven'\nd."
	raw, end, err := unpickle([]byte(p), 0, nil)
	require.NoError(t, err)
	v, err := freeze(raw, end)
	require.NoError(t, err)
	got, ok := v.(*Dict).Get(7)
	require.True(t, ok)
	require.Equal(t, "seven", got)
}

func TestHostile(t *testing.T) {
	u32 := func(n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)) }
	u64 := func(n uint64) string { return string(binary.LittleEndian.AppendUint64(nil, n)) }
	doubling := "]q\x000" // a list of the list before, twice, sixty times over
	for i := range 60 {
		doubling += "]q" + string(rune(i+1)) + "(h" + string(rune(i)) + "h" + string(rune(i)) + "e0"
	}
	doubling += "h\x3c"
	longKey := "}X" + u32(1<<20) + strings.Repeat("k", 1<<20) + "q\x00" + "N" + "s" + strings.Repeat("h\x00Ns", 1<<16)
	for _, c := range []struct {
		name, pickle string
		want         error
	}{
		{"empty", "", ErrFormat},
		{"no stop", "N", ErrFormat},
		{"left over", "NN.", ErrFormat},
		{"empty stack", ".", ErrFormat},
		{"string length", "X" + u32(math.MaxUint32) + "a.", ErrFormat},
		{"string length, 64 bits", "\x8d" + u64(math.MaxUint64) + "a.", ErrFormat},
		{"bytes length", "\x8e" + u64(1<<40) + "a.", ErrFormat},
		{"long length", "\x8b" + u32(0x7fffffff) + "a.", ErrFormat},
		{"long integer", "\x8b" + u32(1<<20) + strings.Repeat("\x7f", 1<<20) + ".", ErrLimit},
		{"long text integer", "I" + strings.Repeat("9", 5000) + "\n.", ErrLimit},
		{"memo unset", "h\x05.", ErrFormat},
		{"memo negative", "Np-1\n.", ErrFormat},
		{"cycle", "]q\x00h\x00a.", ErrUnsupported},
		{"cycle by dict", "}q\x00K\x01h\x00s.", ErrUnsupported},
		{"cycle by tuple", "]q\x00h\x00\x85a.", ErrUnsupported},
		{"cycle by state", "cm\nC\n)Rq\x00h\x00b.", ErrUnsupported},
		{"deep lists", strings.Repeat("]", 5000) + strings.Repeat("a", 4999) + ".", ErrLimit},
		{"deep tuples", "N" + strings.Repeat("\x85", 5000) + ".", ErrLimit},
		{"doubling", doubling + ".", ErrLimit},
		{"list as key", "}]Ns.", ErrFormat},
		{"deep key", "}N" + strings.Repeat("\x85", 100) + "Ns.", ErrLimit},
		{"long key again and again", longKey + ".", ErrLimit},
		{"long tuple as key", "}X" + u32(1<<20) + strings.Repeat("k", 1<<20) + "\x85Ns.", ErrLimit},
		{"long class name", "c" + strings.Repeat("m", 1<<20) + "\nC\n.", ErrLimit},
		{"many lists", strings.Repeat("]", 8<<20), ErrLimit},
		{"many marks", strings.Repeat("(", 8<<20), ErrLimit},
		{"pop below mark", "N(\x85.", ErrFormat},
		{"append to none", "NNa.", ErrFormat},
		{"odd items", "}(Nu.", ErrFormat},
		{"arguments", "cm\nC\nNR.", ErrFormat},
		{"build", "Nb.", ErrFormat},
		{"class of numbers", "K\x01K\x02\x93.", ErrFormat},
		{"persistent", "NQ.", ErrFormat},
		{"text persistent", "Px\n.", ErrUnsupported},
		{"extension", "\x82\x01.", ErrUnsupported},
		{"protocol", "\x80\x09.", ErrUnsupported},
		{"out-of-band buffer", "\x97.", ErrUnsupported},
		{"latin1", "c_codecs\nencode\n(V\\u4e00\nS'latin1'\ntR.", ErrFormat},
		{"tensor without storage", "ctorch._utils\n_rebuild_tensor_v2\n(NK\x00))tR.", ErrFormat},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		raw, end, err := unpickle([]byte(c.pickle), 0, nil)
		if err == nil {
			_, err = freeze(raw, end)
		}
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, c.want, c.name)
		used := after.TotalAlloc - before.TotalAlloc
		require.Less(t, used, uint64(1<<30), c.name)
	}
}

// storagePickle is the pickle of one tensor over storage "0".
func storagePickle(class string, n int64, offset int64, shape, stride []int, view any) []byte {
	p := &pickler{b: []byte{0x80, 2}, keys: map[*Storage]int{}}
	p.global(Class{"torch._utils", "_rebuild_tensor_v2"})
	p.op('(')
	id := Tuple{"storage", Class{"torch", class}, "0", "cuda:0", n}
	if view != nil {
		id = append(id, view)
	}
	_ = p.tuple(id, 0)
	p.op('Q')
	p.int(offset)
	_ = p.tuple(boxed(shape), 0)
	_ = p.tuple(boxed(stride), 0)
	p.op(0x89, '}', 't', 'R', '.')
	return p.b
}

func storage(n int64, data ...byte) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, uint64(n)), data...)
}

func TestLegacy(t *testing.T) {
	data := []byte{0, 1, 2, 3, 4, 5, 6, 7}
	read := func(b []byte) ([]int64, error) {
		f, err := Parse(b)
		if err != nil {
			return nil, err
		}
		require.NoError(t, f.Verify())
		return f.Value().(*Tensor).Int64()
	}
	got, err := read(legacyFile(storagePickle("ByteStorage", 8, 1, []int{3, 2}, []int{2, 1}, nil), []string{"0"}, storage(8, data...)))
	require.NoError(t, err)
	require.Equal(t, []int64{1, 2, 3, 4, 5, 6}, got)
	got, err = read(legacyFile(storagePickle("ByteStorage", 8, 1, []int{2}, []int{1}, Tuple{"v", int64(4), int64(3)}), []string{"0"}, storage(8, data...)))
	require.NoError(t, err)
	require.Equal(t, []int64{5, 6}, got, "a view of a storage")

	for name, b := range map[string][]byte{
		"offset":           legacyFile(storagePickle("ByteStorage", 8, 9, []int{1}, []int{1}, nil), []string{"0"}, storage(8, data...)),
		"shape":            legacyFile(storagePickle("ByteStorage", 8, 0, []int{3, 3}, []int{3, 1}, nil), []string{"0"}, storage(8, data...)),
		"negative stride":  legacyFile(storagePickle("ByteStorage", 8, 4, []int{3}, []int{-1}, nil), []string{"0"}, storage(8, data...)),
		"huge shape":       legacyFile(storagePickle("ByteStorage", 8, 0, []int{math.MaxInt32, math.MaxInt32}, []int{0, 0}, nil), []string{"0"}, storage(8, data...)),
		"dimensions":       legacyFile(storagePickle("ByteStorage", 8, 0, []int{1, 1}, []int{0}, nil), []string{"0"}, storage(8, data...)),
		"elements":         legacyFile(storagePickle("LongStorage", 8, 0, []int{8}, []int{1}, nil), []string{"0"}, storage(8, data...)),
		"huge storage":     legacyFile(storagePickle("LongStorage", 1<<56, 0, []int{1}, []int{1}, nil), []string{"0"}, storage(1<<56, data...)),
		"count":            legacyFile(storagePickle("ByteStorage", 8, 0, []int{1}, []int{1}, nil), []string{"0"}, storage(7, data...)),
		"no storages":      legacyFile(storagePickle("ByteStorage", 8, 0, []int{1}, []int{1}, nil), nil),
		"other storage":    legacyFile(storagePickle("ByteStorage", 8, 0, []int{1}, []int{1}, nil), []string{"1"}, storage(8, data...)),
		"listed twice":     legacyFile(storagePickle("ByteStorage", 8, 0, []int{1}, []int{1}, nil), []string{"0", "0"}, storage(8, data...), storage(8, data...)),
		"view outside":     legacyFile(storagePickle("ByteStorage", 8, 0, []int{1}, []int{1}, Tuple{"v", int64(7), int64(3)}), []string{"0"}, storage(8, data...)),
		"view malformed":   legacyFile(storagePickle("ByteStorage", 8, 0, []int{1}, []int{1}, "v"), []string{"0"}, storage(8, data...)),
		"unknown storage":  legacyFile(storagePickle("QInt8Storage", 8, 0, []int{1}, []int{1}, nil), []string{"0"}, storage(8, data...)),
		"plain pickle":     []byte("\x80\x02K\x01."),
		"wrong version":    []byte("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02K\x01."),
		"a tar":            append(make([]byte, 257), "ustar\x0000"...),
		"nothing":          {},
		"something else":   []byte("hello"),
		"a zip of nothing": []byte("PK\x03\x04"),
	} {
		_, err := Parse(b)
		require.Error(t, err, name)
	}

	// Expanding a small storage is fine to a bound.
	expanded := func(n int) error {
		_, err := read(legacyFile(storagePickle("ByteStorage", 1, 0, []int{n}, []int{0}, nil), []string{"0"}, storage(1, 3)))
		return err
	}
	require.NoError(t, expanded(1000))
	require.ErrorIs(t, expanded(1<<30), ErrLimit)
}

// TestZipForms: any prefix, compressed entries, big-endian storages.
func TestZipForms(t *testing.T) {
	build := func(method uint16, prefix string, extra ...string) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		files := append([]string{
			"data.pkl", string(storagePickle("ShortStorage", 2, 0, []int{2}, []int{1}, nil)),
			"data/0", "\x01\x00\x00\x02",
		}, extra...)
		for i := 0; i < len(files); i += 2 {
			e, err := z.CreateHeader(&zip.FileHeader{Name: prefix + files[i], Method: method})
			require.NoError(t, err)
			_, err = e.Write([]byte(files[i+1]))
			require.NoError(t, err)
		}
		require.NoError(t, z.Close())
		return b.Bytes()
	}
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		for _, prefix := range []string{"", "archive/", "checkpoint.pth/"} {
			for order, want := range map[string][]int64{"little": {1, 512}, "big": {256, 2}} {
				f, err := Parse(build(method, prefix, "byteorder", order))
				require.NoError(t, err)
				got, err := f.Value().(*Tensor).Int64()
				require.NoError(t, err)
				require.Equal(t, want, got)
				require.NoError(t, f.Close())
			}
		}
	}
	for name, b := range map[string][]byte{
		"two trees":    build(zip.Store, "a/", "../b/data.pkl", "N."),
		"TorchScript":  build(zip.Store, "a/", "constants.pkl", "N."),
		"entry twice":  build(zip.Store, "a/", "data/0", "x"),
		"no data.pkl":  build(zip.Store, "a/b/c/"),
		"short prefix": build(zip.Store, "a"),
	} {
		_, err := Parse(b)
		if name == "two trees" { // ../ lies too deep to count
			require.NoError(t, err)
			continue
		}
		require.Error(t, err, name)
	}
	b := build(zip.Store, "a/")
	i := bytes.Index(b, []byte("\x01\x00\x00\x02"))
	b[i]++
	f, err := Parse(b)
	require.NoError(t, err)
	require.ErrorIs(t, f.Verify(), ErrFormat)
}

func TestStateDictErrors(t *testing.T) {
	_, err := StateDict(NewDict("a", int64(1)))
	require.ErrorIs(t, err, ErrFormat)
	_, err = StateDict([]any{})
	require.ErrorIs(t, err, ErrFormat)
	_, err = StateDict(NewDict(), "model")
	require.ErrorIs(t, err, ErrNotFound)
}

func TestPlain(t *testing.T) {
	plain := ToPlain(sample(t)).(map[string]any)
	require.Equal(t, "cuda:0", plain["device"])
	require.Equal(t, map[string]any{"lr": 1e-5}, plain["opt"])
	require.Equal(t, "torch.float32", plain["class"])
	require.Equal(t, "seven", plain["7"])
	size, ok := Ints(&Object{Class: classSize, Args: Tuple{Tuple{int64(2), int64(3)}}})
	require.True(t, ok)
	require.Equal(t, []int{2, 3}, size)
	n, ok := Number(tensor(t, nil, 4))
	require.True(t, ok)
	require.EqualValues(t, 4, n)
	_, ok = Number("4")
	require.False(t, ok)
	attrs, ok := Namespace(&Object{Class: classNamespace})
	require.True(t, ok)
	require.Zero(t, attrs.Len())
	var none *Dict
	_, ok = none.Get("a")
	require.False(t, ok)
}

func TestCorrupted(t *testing.T) {
	corrupt(t, encode(t, NewDict("w", tensor(t, []int{2, 2}, 1, 2, 3, 4), "opt", NewNamespace(NewDict("x", []any{1})))))
	corrupt(t, legacyFile(storagePickle("ByteStorage", 8, 1, []int{2}, []int{1}, Tuple{"v", int64(4), int64(3)}), []string{"0"}, storage(8, 0, 1, 2, 3, 4, 5, 6, 7)))
}

func FuzzParse(f *testing.F) {
	f.Add(encode(f, sample(f)))
	f.Add(legacyFile(storagePickle("ByteStorage", 8, 1, []int{2}, []int{1}, Tuple{"v", int64(4), int64(3)}), []string{"0"}, storage(8, 0, 1, 2, 3, 4, 5, 6, 7)))
	f.Fuzz(func(t *testing.T, b []byte) { exercise(t, b) })
}

// FuzzPickle goes straight to the machine.
func FuzzPickle(f *testing.F) {
	p, _, err := marshal(sample(f))
	require.NoError(f, err)
	f.Add(p)
	f.Add([]byte("\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00\x8c\x01a\x94h\x00\x86."))
	f.Add([]byte("cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'f8'\nI0\nI1\ntRS'\\x00'\ntR."))
	f.Add([]byte("ccopy_reg\n_reconstructor\n(cargparse\nNamespace\nc__builtin__\nobject\nNtR(S'x'\nI1\ndb."))
	f.Fuzz(func(t *testing.T, b []byte) { exercise(t, legacyFile(b, nil)) })
}
