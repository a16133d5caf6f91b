package heif

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/picture"
)

// sample reads a sample of one of the modules that the decoders come in; nothing here can write such files.
func sample(t *testing.T, module, name string) []byte {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/gen2brain/"+module).Output()
	if err != nil || len(dir) == 0 {
		t.Skip("no module cache to take samples from")
	}
	data, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "testdata", name))
	if err != nil {
		t.Skip("module cache without test data")
	}
	return data
}

// colours are the means of a grid of 4×4.
func colours(t *testing.T, data []byte, o *picture.Options) []float32 {
	t.Helper()
	p, err := picture.Decode(t.Context(), bytes.NewReader(data), o)
	require.NoError(t, err)
	out := make([]float32, 3*4*4)
	p.Sample(out, 4, 4, p.Bounds(), false, picture.Bilinear)
	return out
}

// TestSamples: the same photo in all formats looks the same.
func TestSamples(t *testing.T) {
	want := colours(t, sample(t, "heic", "test8.heic"), nil)
	for _, s := range [][2]string{{"avif", "test8.avif"}, {"avif", "test10.avif"}} {
		data := sample(t, s[0], s[1])
		f, err := picture.Open(bytes.NewReader(data), nil)
		require.NoError(t, err)
		assert.Equal(t, []int{512, 512}, []int{f.W, f.H})
		got := colours(t, data, &picture.Options{Detail: 64})
		for i := range want {
			assert.InDelta(t, want[i], got[i], 8, "%s: colour %d", s[1], i)
		}
	}
	grey := colours(t, sample(t, "heic", "gray.heic"), nil)
	assert.Equal(t, grey[:16], grey[16:32])
}

// TestDamaged: every cut and many bent bytes end in a picture or a named error.
func TestDamaged(t *testing.T) {
	for _, s := range [][2]string{{"heic", "gray.heic"}, {"avif", "test8.avif"}} {
		data := sample(t, s[0], s[1])
		for _, n := range []int{20, 100, 300, len(data) / 2, len(data) - 1} {
			if _, err := picture.Decode(t.Context(), bytes.NewReader(data[:n]), nil); err != nil {
				require.True(t, picture.Unusable(err), "%s cut at %d: %v", s[1], n, err)
			}
		}
		for at := 40; at < 600; at += 37 {
			bent := bytes.Clone(data)
			bent[at] ^= 0x55
			if _, err := picture.Decode(t.Context(), bytes.NewReader(bent), nil); err != nil {
				require.True(t, picture.Unusable(err), "%s bent at %d: %v", s[1], at, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
		_, err := picture.Decode(ctx, bytes.NewReader(data), nil)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
}
