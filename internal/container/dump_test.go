package container_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/internal/container"
	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/faultfs"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var trimRight = regexp.MustCompile(` +\n`)

// TestDump pins the bytes of a small file of two commits, with notes that say
// what they are: a worked example of the package documentation.
func TestDump(t *testing.T) {
	fs := faultfs.New()
	w, err := container.Create(fs, "f")
	require.NoError(t, err)
	ids, err := w.Append(format.KindID, 0, elem.Bytes([]uint32{0, 1, 2, 'a' | 'b'<<8}))
	require.NoError(t, err)
	match, err := w.Append(format.KindMatch, format.CodecInt8, []byte{127, 129, 255, 1})
	require.NoError(t, err)
	m := &container.Manifest{Model: "model", Dim: 2, MatchCodec: format.CodecInt8, TokenCodec: format.CodecNone,
		Segments: []container.Segment{{Items: 2, Sections: []container.Section{ids, match}}}}
	require.NoError(t, w.Commit(m))
	dead, err := w.Append(format.KindTombstone, 0, []byte("row 1"))
	require.NoError(t, err)
	m = w.Manifest().Clone()
	m.Segments[0].Deleted = 1
	m.Segments[0].Sections = append(m.Segments[0].Sections, dead)
	require.NoError(t, w.Commit(m))
	require.NoError(t, w.Close())

	b, err := fs.ReadFile("f")
	require.NoError(t, err)
	r, err := container.Open(fs, "f")
	require.NoError(t, err)
	defer r.Close()
	got := dump(b, r)
	const golden = "testdata/two-commits.txt"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o777))
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o666))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("bytes of the file (-want +got):\n%s", d)
	}
}

func dump(b []byte, r *container.Reader) string {
	var out strings.Builder
	line := func(at, n int, what string) {
		fmt.Fprintf(&out, "%06x  %-48s  %s\n", at, fmt.Sprintf("% x", b[at:at+min(n, 16)]), what)
		for i := 16; i < n; i += 16 {
			fmt.Fprintf(&out, "%06x  % x\n", at+i, b[at+i:at+min(i+16, n)])
		}
	}
	le := binary.LittleEndian
	for slot := range 2 {
		at := slot * format.MetaPage
		fmt.Fprintf(&out, "meta slot %d\n", slot)
		line(at, 8, "magic")
		line(at+8, 4, fmt.Sprint("version ", le.Uint32(b[at+8:])))
		line(at+12, 4, "zero")
		line(at+16, 8, fmt.Sprint("generation ", le.Uint64(b[at+16:])))
		line(at+24, 8, fmt.Sprintf("manifest at %06x", le.Uint64(b[at+24:])))
		line(at+32, 8, fmt.Sprint("manifest length ", le.Uint64(b[at+32:])))
		line(at+40, 8, fmt.Sprintf("end %06x", le.Uint64(b[at+40:])))
		line(at+48, 4, "crc of the manifest")
		line(at+52, 8, "zero")
		line(at+60, 4, "crc of the slot")
	}
	m := r.Manifest()
	for i, s := range m.Segments {
		for _, sec := range s.Sections {
			fmt.Fprintf(&out, "segment %d: %v, crc %08x\n", i, sec.Kind, sec.CRC)
			line(int(sec.Offset), int(sec.Length), "")
		}
	}
	for _, e := range m.Dead {
		fmt.Fprintf(&out, "dead: the manifest of commit 1, crc %08x\n", e.CRC)
		line(int(e.Offset), int(e.Length), "")
	}
	fmt.Fprintf(&out, "manifest of commit %d\n", m.Generation)
	line(int(r.Meta().Manifest.Offset), int(r.Meta().Manifest.Length), "")
	fmt.Fprintf(&out, "end %06x\n", len(b))
	return trimRight.ReplaceAllString(out.String(), "\n")
}
