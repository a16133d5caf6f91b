//go:build unix

package follow_test

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var benchFiles = flag.Int("files", 10_000, "photos of the benchmark's folder")

func manyFiles(b *testing.B) *world {
	w := newWorld(b)
	for i := range *benchFiles {
		put(b, w.dir, fmt.Sprintf("%03d/IMG_%06d.jpg", i/250, i), fmt.Sprint("photo ", i))
	}
	w.sync()
	return w
}

// BenchmarkUnchanged is a sync that finds nothing to do, beside a walk that looks at each file.
func BenchmarkUnchanged(b *testing.B) {
	w := manyFiles(b)
	b.Run("walk", func(b *testing.B) {
		for b.Loop() {
			n := 0
			require.NoError(b, filepath.WalkDir(w.dir, func(p string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				n++
				_, err = d.Info()
				return err
			}))
			require.Equal(b, *benchFiles, n)
		}
	})
	before := fileBytes(b, w.file)
	b.Run("sync", func(b *testing.B) {
		for b.Loop() {
			w.sync()
		}
	})
	require.Equal(b, before, fileBytes(b, w.file))
}

// BenchmarkOneChanged is a sync of which one photo is to be encoded: what the processor does for it.
func BenchmarkOneChanged(b *testing.B) {
	w := manyFiles(b)
	n := 0
	var spent time.Duration
	for b.Loop() {
		n++
		put(b, w.dir, "000/IMG_000000.jpg", fmt.Sprint("another photo ", n))
		before := processorTime(b)
		require.Equal(b, [5]int{0, 1, 0, 0, 0}, w.sync())
		spent += processorTime(b) - before
	}
	b.ReportMetric(spent.Seconds()/float64(n), "cpu-s/op")
	_ = os.Remove(w.file)
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
