package indexcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/evalcmd"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/scenes"
	"github.com/aladin-go/aladin/internal/shareddata"
	"github.com/aladin-go/aladin/internal/testmodel"
	"github.com/aladin-go/aladin/internal/traincmd"
	"github.com/aladin-go/aladin/internal/weaviatetest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"aladin-index": func() { os.Exit(Program.Main()) },
		"aladin-train": func() { os.Exit(traincmd.Program.Main()) },
		"aladin-eval":  func() { os.Exit(evalcmd.Program.Main()) },
		"mkmodel":      mkmodel,
		"mkscenes":     mkscenes,
	})
}

func TestScripts(t *testing.T) {
	engine := strings.TrimSuffix(weaviatetest.Start(t, 3, false).Address(""), "/")
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			// The library lies in the cache folder of the user who runs the tests, not of the script.
			if lib, err := ort.Library(); err == nil {
				env.Setenv("ALADIN_ONNXRUNTIME", lib)
			}
			env.Setenv("ENGINE", engine)
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name == "ort" {
				return ort.Available(), nil
			}
			return false, fmt.Errorf("no condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"json": jsonCommand, "flip": flipCommand},
	})
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// mkmodel makes a small random model: mkmodel DIR [seed=N] [precomputed=DIM].
func mkmodel() {
	var o testmodel.Options
	for _, a := range os.Args[2:] {
		name, value, _ := strings.Cut(a, "=")
		n, err := strconv.Atoi(value)
		fatal(err)
		switch name {
		case "seed":
			o.Seed = uint64(n)
		case "precomputed":
			o.Precomputed, o.RegionDim = true, n
		}
	}
	fatal(testmodel.Write(os.Args[1], o))
}

// mkscenes makes a folder of pictures with captions: mkscenes DIR N.
func mkscenes() {
	n, err := strconv.Atoi(os.Args[2])
	fatal(err)
	fatal(scenes.New(3, nil).WriteDir(context.Background(), os.Args[1], 0, n, nil))
}

// jsonCommand compares a value in a JSON file: json FILE a/b/0 VALUE; an array's value is its length.
func jsonCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: json FILE PATH VALUE")
	}
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &v))
	for _, key := range strings.Split(args[1], "/") {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			k, err := strconv.Atoi(key)
			ts.Check(err)
			v = x[k]
		}
	}
	got := fmt.Sprint(v)
	if list, ok := v.([]any); ok {
		got = fmt.Sprint(len(list))
	}
	if (got == args[2]) == neg {
		ts.Fatalf("%s: %s is %s, want %s", args[0], args[1], got, args[2])
	}
}

// flipCommand flips a bit in the middle of a file.
func flipCommand(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	b[len(b)/2] ^= 1
	ts.Check(os.WriteFile(path, b, 0o600))
}

// Interrupted, build leaves what was there, and add keeps what is done and goes on with the rest.
func TestInterrupt(t *testing.T) {
	if !ort.Available() {
		t.Skip("needs ONNX Runtime")
	}
	model, dir := testmodel.New(t, testmodel.Options{}), t.TempDir()
	file := filepath.Join(dir, "scenes.aladin")
	run := func(ctx context.Context, args ...string) (int, string) {
		var out, err bytes.Buffer
		code := Program.Run(ctx, args, &out, &err)
		return code, out.String() + err.String()
	}
	code, text := run(t.Context(), "build", "--model", model, "--scenes", "8", "--out", file)
	require.Equal(t, 0, code, text)
	before, err := os.ReadFile(file)
	require.NoError(t, err)

	// interrupt as soon as the folder has changed: 1500 scenes take far longer.
	interrupted := func(args ...string) (int, string) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		type result struct {
			code int
			text string
		}
		done := make(chan result)
		go func() {
			code, text := run(ctx, append(args, "--model", model, "--scenes", "1500")...)
			done <- result{code, text}
		}()
		state := func() (s string) {
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			for _, e := range entries {
				if info, err := e.Info(); err == nil {
					s += fmt.Sprintln(e.Name(), info.Size())
				}
			}
			return s
		}
		for first := state(); ; {
			select {
			case r := <-done:
				return r.code, r.text
			case <-time.After(5 * time.Millisecond):
				if state() != first {
					cancel()
				}
			}
		}
	}
	code, text = interrupted("build", "--out", file)
	require.Equal(t, cli.Interrupted, code, text)
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, before, after)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		assert.NotContains(t, e.Name(), "tmp", "nothing half-made stays")
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	code, text = run(ctx, "add", file, "--model", model, "--scenes", "40")
	require.Equal(t, cli.Interrupted, code, text)
	ix, err := index.Open(file, nil)
	require.NoError(t, err)
	require.NoError(t, ix.Close())
	code, text = run(t.Context(), "add", file, "--model", model, "--scenes", "40")
	require.Equal(t, 0, code, text)
	assert.Contains(t, text, "40 items")
}

// Every verb has help with an example, and main's help lists it.
func TestHelp(t *testing.T) {
	var all bytes.Buffer
	require.Equal(t, 0, Program.Run(t.Context(), []string{"--help"}, &all, nil))
	for _, v := range Program.Verbs {
		assert.Contains(t, all.String(), "\n  "+v.Name+" ")
		var out bytes.Buffer
		require.Equal(t, 0, Program.Run(t.Context(), []string{v.Name, "--help"}, &out, nil))
		assert.Contains(t, out.String(), "\n  aladin-index "+v.Name+" ", "an example of %s", v.Name)
		if v.Name != "serve" { // which answers over HTTP
			assert.Contains(t, out.String(), "  --json\n")
		}
	}
}

// Features in VinVL's layout, by a published model.
func TestFeatures(t *testing.T) {
	dir := shareddata.Dir(t, "aladin-tiny")
	if !ort.Available() {
		t.Skip("needs ONNX Runtime")
	}
	coco, model, file := filepath.Join(dir, "coco_ir"), filepath.Join(t.TempDir(), "m"), filepath.Join(t.TempDir(), "f.aladin")
	var out bytes.Buffer
	require.Zero(t, traincmd.Program.Run(t.Context(), []string{"import", "--checkpoint", filepath.Join(dir, "checkpoint.pth.tar"), "--vinvl", filepath.Join(dir, "vinvl"), "--out", model}, &out, &out), "%s", &out)
	source := []string{"--model", model, "--features", filepath.Join(coco, "features"), "--coco-ir", coco, "--keys", "test_img_keys_1k.tsv"}
	out.Reset()
	require.Zero(t, Program.Run(t.Context(), append([]string{"build", "--out", file}, source...), &out, &out), "%s", &out)
	assert.Contains(t, out.String(), "5 added")
	source[len(source)-1] = "test_img_keys.tsv"
	out.Reset()
	require.Zero(t, Program.Run(t.Context(), append([]string{"add", file}, source...), &out, &out), "%s", &out)
	assert.Contains(t, out.String(), "7 added (5 were there); 12 items")
	out.Reset()
	require.Zero(t, Program.Run(t.Context(), []string{"search", file, "--model", model, "--explain", "a dog"}, &out, &out), "%s", &out)
	assert.Contains(t, out.String(), "region ")
	assert.Equal(t, cli.Misused, Program.Run(t.Context(), []string{"build", "--out", file, "--model", model, "--scenes", "3", "--keys", "k"}, &out, &out))
	assert.Equal(t, cli.Failed, Program.Run(t.Context(), []string{"build", "--out", file, "--model", model, "--scenes", "3"}, &out, &out), "it reads no pixels")
}
