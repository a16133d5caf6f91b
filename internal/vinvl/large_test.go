package vinvl

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/shareddata"
)

// TestLargeFolder writes ALADIN_VINVL_GB gigabytes of features.tsv, without any index, reads them all,
// and reports time and memory, which must not depend on the size.
func TestLargeFolder(t *testing.T) {
	gb, err := strconv.ParseFloat(os.Getenv("ALADIN_VINVL_GB"), 64)
	if err != nil {
		t.Skip("ALADIN_VINVL_GB does not say how large a folder to write")
	}
	const boxes, dim = 36, 2054
	dir := t.TempDir()
	raw := make([]byte, 0, boxes*dim*4)
	for i := range boxes * dim {
		raw, err = binary.Append(raw, binary.LittleEndian, float32(i%97)/97)
		require.NoError(t, err)
	}
	text := base64.StdEncoding.AppendEncode(nil, raw)
	objects := bytes.TrimSuffix(bytes.Repeat([]byte(`{"class": "dog", "rect": [1, 2, 3, 4], "conf": 0.5},`), boxes), []byte{','})
	rows := int(gb * 1e9 / float64(len(text)))

	write := func(name string, row func(w *bufio.Writer, i int)) {
		f, err := os.Create(filepath.Join(dir, name))
		require.NoError(t, err)
		w := bufio.NewWriterSize(f, 1<<20)
		for i := range rows {
			row(w, i)
		}
		require.NoError(t, w.Flush())
		require.NoError(t, f.Close())
	}
	write("features.tsv", func(w *bufio.Writer, i int) { fmt.Fprintf(w, "%d\t%d\t%s\n", i, boxes, text) })
	write("predictions.tsv", func(w *bufio.Writer, i int) {
		fmt.Fprintf(w, "%d\t{\"image_h\": 480, \"image_w\": 640, \"objects\": [%s]}\n", i, objects)
	})

	start := time.Now()
	d := open(t, dir, nil)
	t.Logf("%d rows of %d KB: lines found in %v", rows, len(text)>>10, time.Since(start).Round(time.Millisecond))
	start = time.Now()
	var most uint64
	n := 0
	for img, err := range d.Images(context.Background(), d.IDs()) {
		require.NoError(t, err)
		require.Equal(t, boxes, img.Set.Len())
		if n++; n%256 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
		}
	}
	require.Equal(t, rows, n)
	t.Logf("read in %v; largest heap %d MB", time.Since(start).Round(time.Millisecond), most>>20)
	require.Less(t, most, uint64(200<<20))
}

func BenchmarkImage(b *testing.B) {
	dir := shareddata.Dir(b, "coco_real", "features")
	d := open(b, dir, nil)
	ids := d.IDs()
	st, err := os.Stat(filepath.Join(dir, "features.tsv"))
	require.NoError(b, err)
	b.SetBytes(st.Size() / int64(len(ids)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_, err := d.Image(ids[i%len(ids)])
		require.NoError(b, err)
	}
}
