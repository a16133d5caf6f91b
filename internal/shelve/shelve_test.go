package shelve

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func read(t *testing.T, path string) map[string]string {
	t.Helper()
	s, err := Open(path)
	require.NoError(t, err)
	defer s.Close()
	out := map[string]string{}
	for k, v := range s.All() {
		out[k] = string(v)
	}
	require.Len(t, out, s.Len())
	return out
}

// many.gnu was written by Python's dbm.gnu: 300 keys in several buckets, of which every seventh was deleted.
func TestGNU(t *testing.T) {
	want := map[string]string{}
	for i := range 300 {
		if i%7 != 0 {
			want[fmt.Sprintf("key-%d", i)] = fmt.Sprintf("value %d", i*i)
		}
	}
	require.Equal(t, want, read(t, filepath.Join("testdata", "many.gnu")))
}

func TestDumb(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shelf")
	require.NoError(t, os.WriteFile(path+".dir", []byte(`"it's", (0, 3)`+"\n"+`'"quoted" it\'s', (512, 3)`+"\n"+`'tab\there', (1024, 5)`+"\n"+`'\xff\\x', (1536, 4)`+"\n"), 0o644))
	data := make([]byte, 1540)
	for at, v := range map[int]string{0: "one", 512: "two", 1024: "three", 1536: "four"} {
		copy(data[at:], v)
	}
	require.NoError(t, os.WriteFile(path+".dat", data, 0o644))
	want := map[string]string{"it's": "one", `"quoted" it's`: "two", "tab\there": "three", "\xff\\x": "four"}
	require.True(t, maps.Equal(want, read(t, path)))

	for _, line := range []string{"'a', (0, 1541)", "'a', (1541, 0)", "'a', (-1, 2)", "'a' (0, 1)", "'a', (99999999999999999999, 1)"} {
		require.NoError(t, os.WriteFile(path+".dir", []byte(line+"\n"), 0o644))
		_, err := Open(path)
		require.ErrorIs(t, err, ErrFormat, line)
	}
	_, err := Open(filepath.Join(t.TempDir(), "nothing"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestOtherDatabases(t *testing.T) {
	for name, text := range map[string]string{"sqlite": "SQLite format 3\x00", "berkeley": "\x00\x00\x00\x00berkeley", "short": "x"} {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, append([]byte(text), make([]byte, 100)...), 0o644))
		_, err := Open(path)
		require.ErrorIs(t, err, ErrUnsupported, name)
	}
}

// A damaged file is an error or another set of values, never a fault.
func TestDamaged(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "many.gnu"))
	require.NoError(t, err)
	for i := 0; i < len(data); i += 1 + i/64 {
		for _, x := range []byte{0x01, 0x80, 0xff} {
			b := bytes.Clone(data)
			b[i] ^= x
			check(t, b)
		}
		check(t, data[:i])
	}
}

func check(t *testing.T, data []byte) {
	t.Helper()
	entries, err := readGNU(data)
	if err != nil {
		return
	}
	for _, e := range entries {
		require.True(t, 0 <= e.from && e.from <= e.to && e.to <= len(data))
	}
	require.LessOrEqual(t, len(entries), len(data))
}

func FuzzGNU(f *testing.F) {
	data, err := os.ReadFile(filepath.Join("testdata", "many.gnu"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[:4096])
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) { check(t, data) })
}

func FuzzDumb(f *testing.F) {
	f.Add([]byte("'1', (0, 10)\n'2', (512, 3)\n"), 600)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		entries, err := readDumb(text, max(0, size))
		for _, e := range entries {
			require.True(t, err != nil || 0 <= e.from && e.from <= e.to && e.to <= max(0, size))
		}
	})
}
