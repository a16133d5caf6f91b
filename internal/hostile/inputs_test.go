package hostile

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/npy"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/safetensors"
	"github.com/aladin-go/aladin/internal/testmodel"
	"github.com/aladin-go/aladin/internal/tokenizer"
	"github.com/aladin-go/aladin/internal/torch"
)

// doorVariable names the door whose cases a child process tries, one after the other.
const doorVariable = "ALADIN_HOSTILE_DOOR"

// A door is a way by which foreign bytes come in.
type door struct {
	name  string
	file  string // what the bytes are called in a folder of their own
	cases func() []Case
	read  func(ctx context.Context, path string) error
	named []error // what a refusal is
}

func doors() []door {
	return []door{
		{"checkpoint", "model.pth", Checkpoints, readCheckpoint, []error{torch.ErrFormat, torch.ErrLimit, torch.ErrUnsupported}},
		{"safetensors", "model.safetensors", Safetensors, func(_ context.Context, path string) error {
			f, err := safetensors.Open(path)
			if err != nil {
				return err
			}
			return f.Close()
		}, []error{safetensors.ErrFormat, safetensors.ErrUnsupported}},
		{"graph", "model.onnx", Graphs, readGraph, []error{ort.ErrModel, onnx.ErrModel}},
		{"arrays", "a.npz", Arrays, func(_ context.Context, path string) error {
			z, err := npy.OpenZ(path)
			if err != nil {
				return err
			}
			defer z.Close()
			_, err = z.Read("a")
			return err
		}, []error{npy.ErrFormat, npy.ErrUnsupported}},
		{"vocabulary", "vocab.txt", Vocabularies, func(_ context.Context, path string) error {
			_, err := tokenizer.LoadWordPiece(path, nil)
			return err
		}, []error{tokenizer.ErrVocabulary}},
		{"merges", "merges.txt", MergeFiles, func(_ context.Context, path string) error {
			_, err := tokenizer.LoadCLIP(path)
			return err
		}, []error{tokenizer.ErrVocabulary}},
		{"tokenizer.json", "tokenizer.json", TokenizerFiles, func(_ context.Context, path string) error {
			_, err := tokenizer.Import(filepath.Dir(path), nil)
			return err
		}, []error{tokenizer.ErrVocabulary}},
		{"stored tokenizer", "tokenizer.bin", StoredTokenizers, func(_ context.Context, path string) error {
			_, err := tokenizer.Load(path)
			return err
		}, []error{tokenizer.ErrVocabulary}},
		{"text", "caption.txt", Texts, readText(), []error{index.ErrInvalid, aladin.ErrNoWords}},
		{"manifest", bundle.ManifestFile, manifests, func(_ context.Context, path string) error {
			_, err := bundle.Open(filepath.Dir(path))
			return err
		}, []error{bundle.ErrCorrupt, bundle.ErrInvalid, bundle.ErrVersion, bundle.ErrNotBundle}},
		{"index", "photos.aladin", indexes, readIndex, []error{index.ErrCorrupt, index.ErrVersion, index.ErrNotIndex}},
	}
}

func readCheckpoint(_ context.Context, path string) error {
	f, err := torch.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	torch.ToPlain(f.Value())
	return f.Verify()
}

// readGraph opens a graph as sessions do, and as what adapts graphs does.
func readGraph(_ context.Context, path string) error {
	f, err := onnx.Open(path)
	if err == nil {
		err = f.Close()
	}
	if !ort.Available() {
		return err
	}
	s, oerr := ort.Open(path, nil)
	if oerr == nil {
		return s.Close()
	}
	return oerr
}

// readText tokenizes a caption by both kinds of tokenizer, and reads it as a query.
func readText() func(context.Context, string) error {
	return func(ctx context.Context, path string) error {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var pieces []string
		for c := 'a'; c <= 'z'; c++ {
			pieces = append(pieces, string(c), "##"+string(c))
		}
		wp, err := tokenizer.NewWordPiece(append(pieces, "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), nil)
		if err != nil {
			return err
		}
		wp.Tokenize(string(b))
		clip, err := tokenizer.ReadCLIP(strings.NewReader(testmodel.Merges))
		if err != nil {
			return err
		}
		clip.Tokenize(string(b))
		_, err = aladin.ParseQuery(string(b))
		return err
	}
}

func readIndex(ctx context.Context, path string) error {
	ix, err := index.Open(path, nil)
	if err != nil {
		return err
	}
	defer ix.Close()
	for id, err := range ix.IDs(ctx) {
		if err != nil {
			return err
		}
		if _, err := ix.Item(ctx, id); err != nil {
			return err
		}
	}
	return ix.Verify(ctx, nil)
}

// manifests are made of a small model's.
func manifests() []Case {
	dir, err := os.MkdirTemp("", "model-")
	must(err)
	defer os.RemoveAll(dir)
	must(testmodel.Write(filepath.Join(dir, "m"), testmodel.Options{}))
	b, err := os.ReadFile(filepath.Join(dir, "m", bundle.ManifestFile))
	must(err)
	return Manifests(b)
}

// indexes are made of a small one.
func indexes() []Case {
	dir, err := os.MkdirTemp("", "index-")
	must(err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "a")
	b, err := index.NewBuilder(path, nil)
	must(err)
	for i := range 20 {
		e := &index.Encoding{Kind: index.Image, Model: "m", Matching: make([]float32, 64), Tokens: make([]float32, 64), Boxes: []index.Box{{0, 0, 1, 1}}}
		e.Matching[i], e.Tokens[i] = 1, 1
		must(b.Add(context.Background(), index.Item{ID: fmt.Sprint("item ", i), Encoding: e, Tags: []string{"t"}, Meta: []byte(`{"a":1}`)}))
	}
	must(b.Finish(context.Background()))
	sound, err := os.ReadFile(path)
	must(err)
	return Damaged(sound)
}

// tryDoor reads the cases of a door and prints a line for each: its number, megabytes, and what became of it. Memory is
// what was added to the process while the case was read: the mark of the most memory is set back before.
func tryDoor(name string) {
	for _, d := range doors() {
		if d.name != name {
			continue
		}
		dir, err := os.MkdirTemp("", "hostile-")
		must(err)
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, d.file)
		warm := false // what the first reading sets up is no case's
		for i, c := range d.cases() {
			must(os.WriteFile(path, c.Make(), 0o600))
			if !warm {
				_ = d.read(context.Background(), path)
				warm = true
			}
			debug.FreeOSMemory()
			_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // where that is forbidden, what the cases before took hides little
			before := peak()
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			started := time.Now()
			err := d.read(ctx, path)
			took := time.Since(started)
			cancel()
			fmt.Printf("\n\x00%d %d %d %s\n", i, (peak()-before)>>20, took.Milliseconds(), oneLine(d.verdict(err)))
		}
	}
}

func (d *door) verdict(err error) string {
	if err == nil {
		return "read"
	}
	for _, e := range append(d.named, context.DeadlineExceeded) {
		if errors.Is(err, e) {
			return "refused: " + err.Error()
		}
	}
	return "unnamed: " + err.Error()
}

func oneLine(s string) string {
	if len(s) > 300 {
		s = s[:300] + "… of " + strconv.Itoa(len(s)) + " bytes"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, s)
}

// Every door ends with each of its cases, within the bound of memory, and says by name what is wrong.
func TestDoors(t *testing.T) {
	for _, d := range doors() {
		t.Run(d.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // a hang, whatever the machine
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0])
			cmd.Env = append(os.Environ(), doorVariable+"="+d.name, "TMPDIR="+t.TempDir())
			if lib, err := ort.Library(); err == nil {
				cmd.Env = append(cmd.Env, "ALADIN_ONNXRUNTIME="+lib)
			}
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", tail4k(out))
			cases := d.cases()
			seen := 0
			sc := bufio.NewScanner(bytes.NewReader(out))
			sc.Buffer(nil, 1<<20)
			for sc.Scan() {
				line, ok := strings.CutPrefix(sc.Text(), "\x00")
				if !ok {
					continue
				}
				var number, megabytes, ms int
				_, err := fmt.Sscan(line, &number, &megabytes, &ms)
				require.NoError(t, err, line)
				answer := strings.SplitN(line, " ", 4)[3]
				name := cases[number].Name
				t.Logf("%s: %d MiB, %d ms: %s", name, megabytes, ms, answer)
				assert.NotContains(t, answer, "unnamed: ", name)
				if runtime.GOOS == "linux" && !race {
					assert.Less(t, megabytes, 256, "MiB: %s", name)
				}
				seen++
			}
			require.Equal(t, len(cases), seen)
		})
	}
}

// tail4k is the end of what a child printed.
func tail4k(b []byte) []byte { return b[max(0, len(b)-4096):] }
