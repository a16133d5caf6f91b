package torch

import (
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/shareddata"
)

// open opens a file of the shared fixtures, written by PyTorch itself.
func open(t *testing.T, name ...string) *File {
	t.Helper()
	f, err := Open(shareddata.Dir(t, append([]string{"aladin-tiny"}, name...)...))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	require.NoError(t, f.Verify())
	return f
}

// sameTensors compares by value.
var sameTensors = cmp.Options{
	cmp.Comparer(func(a, b *Tensor) bool {
		if a == nil || b == nil {
			return a == b
		}
		x, err1 := a.Bytes()
		y, err2 := b.Bytes()
		return a.Type == b.Type && cmp.Equal(a.Shape, b.Shape) && err1 == nil && err2 == nil && string(x) == string(y)
	}),
	cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 }),
	cmp.Transformer("items", func(d *Dict) [][2]any {
		var out [][2]any
		for k, v := range d.All() {
			out = append(out, [2]any{k, v})
		}
		return out
	}),
}

func TestCheckpoint(t *testing.T) {
	zip, legacy := open(t, "checkpoint.pth.tar"), open(t, "checkpoint_legacy.pth.tar")
	require.Equal(t, "zip", zip.Format())
	require.Equal(t, "legacy", legacy.Format())
	for _, key := range []string{"epoch", "model", "scheduler", "opt", "config", "Eiters"} {
		a, err := Lookup(zip.Value(), key)
		require.NoError(t, err, key)
		b, err := Lookup(legacy.Value(), key)
		require.NoError(t, err, key)
		if diff := cmp.Diff(a, b, sameTensors); diff != "" {
			t.Errorf("%s differs between the containers (-zip +legacy):\n%s", key, diff)
		}
	}
	model, err := StateDict(zip.Value(), "model")
	require.NoError(t, err)
	require.Equal(t, 89, model.Len())
	w := model.Get(model.Names()[0])
	require.Equal(t, []int{300, 48}, w.Shape)
	require.Equal(t, elem.Float32, w.Type)
	values, err := w.Float32()
	require.NoError(t, err)
	raw, err := w.Bytes()
	require.NoError(t, err)
	view, ok := elem.View[float32](raw)
	require.True(t, ok, "PyTorch aligns its storages")
	require.Same(t, &view[0], &values[0], "no copy")

	old, err := StateDict(legacy.Value(), "model")
	require.NoError(t, err)
	require.Equal(t, "cuda:0", old.Get(old.Names()[0]).Storage.Location)
}

func TestOptimizerState(t *testing.T) {
	var first map[string]any
	for _, name := range []string{"checkpoint.pth.tar", "checkpoint_legacy.pth.tar"} {
		v := open(t, name).Value()
		ids, err := Lookup(v, "optimizer", "param_groups", 0, "params")
		require.NoError(t, err)
		states := map[string]any{}
		n := 0
		for i, id := range ids.([]any) {
			s, err := Lookup(v, "optimizer", "state", id)
			if err != nil {
				continue // a parameter that gets no gradient
			}
			n++
			step, err := Lookup(s, "step")
			require.NoError(t, err)
			steps, ok := Number(step)
			require.True(t, ok)
			require.Positive(t, steps)
			for _, part := range []string{"exp_avg", "exp_avg_sq"} {
				x, err := Lookup(s, part)
				require.NoError(t, err)
				f, err := x.(*Tensor).Float32()
				require.NoError(t, err)
				states[part+string(rune(i))] = f
			}
		}
		require.Equal(t, 81, n)
		if first == nil {
			first = states
		}
		require.Equal(t, first, states, "the containers hold the same Adam state")
	}
}

func TestOptAndConfig(t *testing.T) {
	v := open(t, "checkpoint.pth.tar").Value()
	opt, err := Lookup(v, "opt")
	require.NoError(t, err)
	require.Equal(t, Class{"argparse", "Namespace"}, opt.(*Object).Class)
	attrs, ok := Namespace(opt)
	require.True(t, ok)
	n, ok := attrs.Get("max_seq_length")
	require.True(t, ok)
	require.EqualValues(t, 16, n)
	config, err := Lookup(v, "config")
	require.NoError(t, err)
	_, err = json.Marshal(ToPlain(config))
	require.NoError(t, err)
	layers, err := Lookup(config, "model", "tern-layers")
	require.NoError(t, err)
	require.EqualValues(t, 2, layers)
	_, err = Lookup(config, "model", "absent")
	require.ErrorIs(t, err, ErrNotFound)
}

func TestBackbone(t *testing.T) {
	weights, err := StateDict(open(t, "vinvl", "pytorch_model.bin").Value())
	require.NoError(t, err)
	for name, w := range weights.All() {
		f, err := w.Float32()
		require.NoError(t, err, name)
		require.Len(t, f, w.Len())
	}
	require.NotNil(t, weights.Get("bert.embeddings.word_embeddings.weight"))

	args := ToPlain(open(t, "vinvl", "training_args.bin").Value()).(map[string]any)
	require.Equal(t, true, args["add_od_labels"])
	require.Equal(t, true, args["do_lower_case"])
	require.Equal(t, "cuda", args["device"])
}

func TestCaptions(t *testing.T) {
	captions := func(name string) map[int64][]string {
		out := map[int64][]string{}
		for k, v := range open(t, "coco_ir", name).Value().(*Dict).All() {
			var list []string
			switch v := v.(type) {
			case string:
				require.NoError(t, json.Unmarshal([]byte(v), &list))
			case []any:
				for _, c := range v {
					list = append(list, c.(string))
				}
			}
			require.Len(t, list, 5)
			out[k.(int64)] = list
		}
		return out
	}
	test := captions("test_captions.pt")
	require.Len(t, test, 12)
	require.Equal(t, test, captions("test_captions_list.pt"))
	require.NotEmpty(t, captions("train_captions.pt"))
	require.NotEmpty(t, captions("minival_captions.pt"))
}

// TestSharedRoundTrip saves every fixture again and reads it back.
func TestSharedRoundTrip(t *testing.T) {
	dir := shareddata.Dir(t, "aladin-tiny")
	n := 0
	for _, pattern := range []string{"*.tar", "*/*.pt", "*/*.bin"} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		for _, p := range paths {
			f, err := Open(p)
			require.NoError(t, err)
			saved := filepath.Join(t.TempDir(), "saved.pt")
			require.NoError(t, Save(saved, f.Value()))
			again, err := Open(saved)
			require.NoError(t, err)
			if diff := cmp.Diff(f.Value(), again.Value(), sameTensors); diff != "" {
				t.Errorf("%s (-want +got):\n%s", filepath.Base(p), diff)
			}
			require.NoError(t, again.Verify())
			require.NoError(t, again.Close())
			require.NoError(t, f.Close())
			n++
		}
	}
	require.GreaterOrEqual(t, n, 8)
}

// TestSharedCorrupted cuts and flips PyTorch's own files: an error or a value, never a panic.
func TestSharedCorrupted(t *testing.T) {
	for _, name := range []string{"vinvl/training_args.bin", "coco_ir/minival_captions.pt"} {
		b, err := os.ReadFile(shareddata.Dir(t, "aladin-tiny", filepath.FromSlash(name)))
		require.NoError(t, err)
		corrupt(t, b)
	}
}
