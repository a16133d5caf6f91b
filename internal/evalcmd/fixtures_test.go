package evalcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/npy"
	"github.com/aladin-go/aladin/internal/shareddata"
)

// The whole command on the encodings of the original code prints the original code's figures.
func TestOriginalDocument(t *testing.T) {
	dir := shareddata.Dir(t, "aladin-tiny")
	z, err := npy.OpenZ(filepath.Join(dir, "expected.npz"))
	require.NoError(t, err)
	defer z.Close()
	floats := func(name string) []float32 {
		a, err := z.Read(name)
		require.NoError(t, err)
		v, err := a.Float32s()
		require.NoError(t, err)
		return v
	}
	keys, err := z.Read("inputs/img_keys")
	require.NoError(t, err)
	ids, err := keys.Int64s()
	require.NoError(t, err)
	d := &data{}
	for i, id := range ids {
		d.images = append(d.images, fmt.Sprint(id))
		for n := range 5 {
			d.captions = append(d.captions, fmt.Sprintf("%d#%d", id, n))
			d.owner = append(d.owner, i)
		}
	}
	d.imageVectors = eval.Vectors{Dim: 48, Data: floats("emb/image")}
	d.captionVectors = eval.Vectors{Dim: 48, Data: floats("emb/caption")}
	scores, err := eval.NewMatrix(12, 60, floats("scores_eval71/MrSw"))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "tiny.npz")
	require.NoError(t, writeDump(path, d, scores, false))

	run := func(args ...string) map[string]any {
		var out, errs bytes.Buffer
		code := Run(context.Background(), append([]string{"--embeddings", path, "--json", "--latency", "0", "--bootstrap", "20", "--candidates", "5"}, args...), &out, &errs)
		require.Equal(t, exitDone, code, errs.String())
		var doc map[string]any
		require.NoError(t, json.Unmarshal(out.Bytes(), &doc))
		return doc
	}
	check := func(doc map[string]any, head, prefix string) {
		figures := doc[head].(map[string]any)
		for _, side := range []string{"i2t", "t2i"} {
			a, err := z.Read(prefix + "/" + side)
			require.NoError(t, err)
			want, err := a.Float64s()
			require.NoError(t, err)
			for k, name := range []string{"r1", "r5", "r10", "medr", "meanr"} {
				assert.Equal(t, want[k], figures[side].(map[string]any)[name], "%s %s %s", prefix, side, name)
			}
		}
		a, err := z.Read(prefix + "/rsum")
		require.NoError(t, err)
		want, err := a.Float64s()
		require.NoError(t, err)
		assert.Equal(t, want[0], figures["rsum"], prefix)
	}
	full := run()
	check(full, "matching", "metrics/matching")
	check(full, "alignment", "metrics/alignment/MrSw")
	list := run("--protocol", "1k", "--keys", filepath.Join(dir, "coco_ir", "test_img_keys_1k.tsv"))
	check(list, "matching", "metrics_1k/matching")
	check(list, "alignment", "metrics_1k/alignment/MrSw")
}

// A run that is interrupted says so, keeps what it has, and the next one goes on.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	path, state := filepath.Join(dir, "a.npz"), filepath.Join(dir, "a.state")
	require.NoError(t, writeDump(path, synthetic(400, 1, 1), nil, true))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs bytes.Buffer
	args := []string{"--embeddings", path, "--state", state, "--latency", "0", "--bootstrap", "0", "--json"}
	assert.Equal(t, exitInterrupted, Run(ctx, args, &out, &errs))
	assert.Contains(t, errs.String(), "interrupted")
	assert.Empty(t, out.String())

	require.Equal(t, exitDone, Run(context.Background(), args, &out, &errs), errs.String())
	b, err := os.ReadFile(state)
	require.NoError(t, err)
	b[stateHeader+5] ^= 1 // a damaged row is found and computed again
	require.NoError(t, os.WriteFile(state, b, 0o644))
	first := out.String()
	out.Reset()
	require.Equal(t, exitDone, Run(context.Background(), args, &out, &errs), errs.String())
	assert.Contains(t, out.String(), `"alignment_pairs":799`)
	same := func(s string) []string {
		var lines []string
		for line := range strings.Lines(s) {
			if !strings.Contains(line, `"speed"`) {
				lines = append(lines, line)
			}
		}
		return lines
	}
	assert.Equal(t, same(first), same(out.String()))
}
