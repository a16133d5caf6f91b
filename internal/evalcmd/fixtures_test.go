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

	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/indexcmd"
	"github.com/aladin-go/aladin/internal/npy"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/shareddata"
	"github.com/aladin-go/aladin/internal/traincmd"
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

	checkOriginal(t, z, "metrics", evaluated(t, "--embeddings", path))
	checkOriginal(t, z, "metrics_1k", evaluated(t, "--embeddings", path, "--protocol", "1k", "--keys", filepath.Join(dir, "coco_ir", "test_img_keys_1k.tsv")))
}

// So does the original checkpoint, imported and run on the original's files.
func TestOriginalModel(t *testing.T) {
	dir := shareddata.Dir(t, "aladin-tiny")
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there")
	}
	z, err := npy.OpenZ(filepath.Join(dir, "expected.npz"))
	require.NoError(t, err)
	defer z.Close()
	model := filepath.Join(t.TempDir(), "tiny.model")
	var out, errs bytes.Buffer
	code := traincmd.Program.Run(context.Background(), []string{"import", "--checkpoint", filepath.Join(dir, "checkpoint.pth.tar"), "--vinvl", filepath.Join(dir, "vinvl"), "--out", model}, &out, &errs)
	require.Zero(t, code, errs.String())
	source := []string{"--model", model, "--features", filepath.Join(dir, "coco_ir", "features"), "--coco-ir", filepath.Join(dir, "coco_ir"), "--split", "test"}
	checkOriginal(t, z, "metrics", evaluated(t, source...))
	checkOriginal(t, z, "metrics_1k", evaluated(t, append(source, "--protocol", "1k")...))
}

// Every mode of the released code is what the figures and the dump are computed by, from a model as from the tokens
// of its dump; and where all candidates are re-ranked, re-ranking is alignment in both directions.
func TestAlignmentModes(t *testing.T) {
	dir := shareddata.Dir(t, "aladin-tiny")
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there")
	}
	z, err := npy.OpenZ(filepath.Join(dir, "expected.npz"))
	require.NoError(t, err)
	defer z.Close()
	source := []string{"--features", filepath.Join(dir, "coco_ir", "features"), "--coco-ir", filepath.Join(dir, "coco_ir"), "--split", "test", "--latency", "0", "--bootstrap", "0", "--json"}
	for _, mode := range []string{"MrSw", "MrAVGw", "MwSr", "symm", "sum", "mean", "scan-sentences"} {
		t.Run(mode, func(t *testing.T) {
			tmp := t.TempDir()
			model, dump := filepath.Join(tmp, "m"), filepath.Join(tmp, "d.npz")
			var out, errs bytes.Buffer
			code := traincmd.Program.Run(t.Context(), []string{"import", "--checkpoint", filepath.Join(dir, "checkpoint.pth.tar"), "--vinvl", filepath.Join(dir, "vinvl"), "--alignment-mode", mode, "--out", model}, &out, &errs)
			require.Zero(t, code, errs.String())
			run := func(args ...string) map[string]any {
				out.Reset()
				require.Equal(t, cli.Done, Program.Run(t.Context(), args, &out, &errs), errs.String())
				var doc map[string]any
				require.NoError(t, json.Unmarshal(out.Bytes(), &doc))
				return doc
			}
			doc := run(append(source, "--model", model, "--dump", dump, "--dump-tokens", "--candidates", "200")...)
			checkHead(t, z, "metrics/alignment/"+mode, doc["alignment"])
			checkHead(t, z, "metrics/alignment/"+mode, doc["rerank"])

			d, err := npy.OpenZ(dump)
			require.NoError(t, err)
			defer d.Close()
			have, err := d.Read("alignment")
			require.NoError(t, err)
			scores, err := have.Float32s()
			require.NoError(t, err)
			expected, err := z.Read("scores_eval71/" + mode)
			require.NoError(t, err)
			want, err := expected.Float32s()
			require.NoError(t, err)
			assert.InDeltaSlice(t, want, scores, 1e-4)

			again := run("--embeddings", dump, "--latency", "0", "--bootstrap", "0", "--json")
			for _, head := range []string{"matching", "alignment", "rerank"} {
				assert.Equal(t, doc[head], again[head], head)
			}
		})
	}
}

// What an index cannot align is refused, and so is the precision of one.
func TestModesWithoutIndex(t *testing.T) {
	dir := shareddata.Dir(t, "aladin-tiny")
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there")
	}
	model, file := filepath.Join(t.TempDir(), "m"), filepath.Join(t.TempDir(), "i.aladin")
	var out, errs bytes.Buffer
	run := func(p *cli.Program, args ...string) int {
		errs.Reset()
		return p.Run(t.Context(), args, &out, &errs)
	}
	require.Zero(t, run(&traincmd.Program, "import", "--checkpoint", filepath.Join(dir, "checkpoint.pth.tar"), "--vinvl", filepath.Join(dir, "vinvl"), "--alignment-mode", "symm", "--out", model), errs.String())
	source := []string{"--model", model, "--features", filepath.Join(dir, "coco_ir", "features"), "--coco-ir", filepath.Join(dir, "coco_ir")}
	require.Zero(t, run(&indexcmd.Program, append([]string{"build", "--out", file}, source...)...), errs.String())
	assert.Equal(t, cli.Misused, run(&Program, append([]string{"--index", file}, source...)...))
	assert.Contains(t, errs.String(), "this model aligns by symm")
	assert.Equal(t, cli.Misused, run(&Program, append([]string{"--align-codec", "int8"}, source...)...))
	assert.Contains(t, errs.String(), "the model aligns by symm, which is computed in full precision only")
	assert.Equal(t, cli.Done, run(&Program, append([]string{"--alignment", "none", "--index", file}, source...)...), errs.String())
}

// evaluated is the document of a run.
func evaluated(t *testing.T, args ...string) map[string]any {
	t.Helper()
	var out, errs bytes.Buffer
	code := Program.Run(context.Background(), append(args, "--json", "--latency", "0", "--bootstrap", "20", "--candidates", "5"), &out, &errs)
	require.Equal(t, cli.Done, code, errs.String())
	var doc map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &doc))
	return doc
}

// checkOriginal compares both heads with the figures of the original code.
func checkOriginal(t *testing.T, z *npy.Archive, set string, doc map[string]any) {
	t.Helper()
	checkHead(t, z, set+"/matching", doc["matching"])
	checkHead(t, z, set+"/alignment/MrSw", doc["alignment"])
}

// checkHead compares the figures of one ranking with the original's.
func checkHead(t *testing.T, z *npy.Archive, prefix string, head any) {
	t.Helper()
	floats := func(name string) []float64 {
		a, err := z.Read(name)
		require.NoError(t, err)
		v, err := a.Float64s()
		require.NoError(t, err)
		return v
	}
	figures := head.(map[string]any)
	for _, side := range []string{"i2t", "t2i"} {
		want := floats(prefix + "/" + side)
		for k, name := range []string{"r1", "r5", "r10", "medr", "meanr"} {
			assert.Equal(t, want[k], figures[side].(map[string]any)[name], "%s %s %s", prefix, side, name)
		}
	}
	assert.Equal(t, floats(prefix + "/rsum")[0], figures["rsum"], prefix)
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
	assert.Equal(t, cli.Interrupted, Program.Run(ctx, args, &out, &errs))
	assert.Contains(t, errs.String(), "interrupted")
	assert.Empty(t, out.String())

	require.Equal(t, cli.Done, Program.Run(context.Background(), args, &out, &errs), errs.String())
	b, err := os.ReadFile(state)
	require.NoError(t, err)
	b[stateHeader+5] ^= 1 // a damaged row is found and computed again
	require.NoError(t, os.WriteFile(state, b, 0o644))
	first := out.String()
	out.Reset()
	require.Equal(t, cli.Done, Program.Run(context.Background(), args, &out, &errs), errs.String())
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
