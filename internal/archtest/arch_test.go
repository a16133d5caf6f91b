package archtest

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/aladin-go/aladin"

// arrows says which packages of ours a package may import besides its own tree: the longest key that is
// the package or a folder above it counts. "." is the root package, "*" is all but cmd.
var arrows = map[string][]string{
	"format":   {},                                                                                                     // the bytes of a file know nothing of what they mean
	"scorer":   {"format", "internal/vector"},                                                                          // kernels serve any store
	"index":    {"format", "internal/container", "internal/vector", "internal/elem", "internal/align", "internal/lru"}, // an index searches without a model
	"weaviate": {"index", "internal/elem"},                                                                             // an engine is another place for what index packs
	".":        {"index", "weaviate", "internal"},                                                                      // the façade
	"heif":     {"internal"},                                                                                           // for its effect
	"train":    {"internal"},                                                                                           // a trained model is a bundle, not an index
	"internal": {"internal", "format", "index", "scorer", "weaviate", "."},
	"cmd":      {"*"},
	"scripts":  {"*"},

	// Finer arrows inside internal.
	"internal/ort":          {"internal/ortsetup"},
	"internal/ortsetup":     {},                                                       // setting a machine up must not need what it sets up
	"internal/onnx":         {"internal/elem", "internal/mapped", "internal/nearest"}, // a graph's format knows nothing of networks
	"internal/bundle":       {},                                                       // a model's folder can be checked without ONNX Runtime
	"internal/region":       {},
	"internal/tokenizer":    {},                      // texts alone
	"internal/preprocess":   {},                      // and pictures alone
	"internal/hub":          {"internal/atomicfile"}, // what is fetched is files
	"internal/elem":         {},
	"internal/itemid":       {"internal/nearest"},
	"internal/lru":          {},
	"internal/weaviatetest": {},
	"internal/picture":      {}, // the only reader of photos
	"internal/regions":      {"internal/nearest", "internal/onnx", "internal/ort", "internal/picture", "internal/region", "internal/segments"},
	"internal/serve":        {".", "index", "internal/atomicfile", "internal/itemid", "internal/lru", "internal/picture"}, // parsing, adding up and searching are the library's
	"internal/searchpage":   {"index", "internal/picture"},
	"internal/align":        {"internal/vector"}, // word by word, of whatever store
	"internal/mapped":       {},
	"internal/vector":       {"format", "internal/elem"},   // arithmetic, and the names of codecs
	"internal/container":    {"format", "internal/mapped"}, // the bytes of a file, not what they mean
	"internal/nearest":      {},
	"internal/cli":          {"internal/nearest", "internal/progress"}, // flags and exit codes know nothing of models
}

// only says where a foreign package may be imported.
var only = map[string][]string{
	"github.com/yalue/onnxruntime_go": {"internal/ort"},
	"C":                               {},                 // cgo stays inside the binding
	"log":                             {"cmd", "scripts"}, // libraries never log; they may take a *slog.Logger
}

// source is a Go file that is no test.
type source struct {
	dir  string // with slashes, "." for the root
	name string
	file *ast.File
	fset *token.FileSet
}

func sources(t *testing.T) []source {
	t.Helper()
	root := moduleRoot(t)
	var all []source
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if p != root && (strings.HasPrefix(name, ".") || name == "build" || name == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(p))
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, p, nil, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, source{dir: filepath.ToSlash(rel), name: name, file: f, fset: fset})
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, len(all), 50, "the walk has lost the sources")
	return all
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		require.NotEqual(t, dir, filepath.Dir(dir), "no go.mod above the test")
		dir = filepath.Dir(dir)
	}
}

func TestImports(t *testing.T) {
	for _, s := range sources(t) {
		if s.file.Name.Name == "main" && !under(s.dir, []string{"cmd", "scripts"}) {
			continue // a code generator
		}
		for _, spec := range s.file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			if err := allowed(s.dir, imported); err != nil {
				t.Errorf("%s: %v", path.Join(s.dir, s.name), err)
			}
		}
	}
}

// The rooms of a training import each other in one direction: each only those before it.
func TestTrainingRooms(t *testing.T) {
	const house = "internal/training"
	order := []string{"config", "param", "grad", "optim", "loss", "dataset", "step", "model", "encode", "lexicon", "validate", "start", "calibrate", "state", "report", "heads"}
	seen := map[string]bool{}
	for _, s := range sources(t) {
		room, ok := strings.CutPrefix(s.dir, house+"/")
		if !ok || room == "toy" || room == "workload" { // for tests and benchmarks
			continue
		}
		at := slices.Index(order, room)
		require.GreaterOrEqual(t, at, 0, "%s has no place in the order", s.dir)
		seen[room] = true
		for _, spec := range s.file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			if other, ok := strings.CutPrefix(imported, module+"/"+house); ok && other != "/"+room {
				k := slices.Index(order, strings.TrimPrefix(other, "/"))
				require.True(t, k >= 0 && k < at, "%s/%s imports %s", s.dir, s.name, imported)
			}
		}
	}
	require.Len(t, seen, len(order))
}

// allowed says whether the package in dir may import the package.
func allowed(dir, imported string) error {
	if places, ok := only[imported]; ok && !under(dir, places) {
		return fmt.Errorf("imports %q, which belongs in %v only", imported, places)
	}
	ours, ok := strings.CutPrefix(imported, module)
	if !ok {
		return nil
	}
	ours = strings.TrimPrefix(ours, "/")
	if ours == "" {
		ours = "."
	}
	if under(ours, []string{"cmd"}) && !under(dir, []string{"cmd"}) {
		return fmt.Errorf("imports %s; nothing imports a command", ours)
	}
	house := "."
	for p := dir; p != "."; p = path.Dir(p) {
		if ok, _ := path.Match("internal/*cmd", p); ok {
			house = "cmd" // the body of a command, beside the packages that it ties together
			break
		}
		if _, ok := arrows[p]; ok {
			house = p
			break
		}
	}
	if house == "." && dir != "." {
		return errors.New("lies in a folder that no arrow names; add it to arrows")
	}
	if house != "." && under(ours, []string{house}) {
		return nil
	}
	if !under(ours, arrows[house]) {
		return fmt.Errorf("imports %s; %s may import %v", ours, house, arrows[house])
	}
	return nil
}

// under says whether dir is one of the places or inside it. The root is not above the others.
func under(dir string, places []string) bool {
	for _, p := range places {
		if p == "*" || dir == p || p != "." && strings.HasPrefix(dir, p+"/") {
			return true
		}
	}
	return false
}

// Library code hands its results and errors to the caller: it prints nothing and ends no program.
func TestLibrariesAreQuiet(t *testing.T) {
	loud := map[string]bool{"fmt.Print": true, "fmt.Println": true, "fmt.Printf": true, "os.Exit": true, "os.Stdout": true}
	for _, s := range sources(t) {
		if under(s.dir, []string{"cmd", "scripts"}) || s.file.Name.Name == "main" {
			continue
		}
		if command, _ := path.Match("internal/*cmd", s.dir); command || s.dir == "internal/cli" {
			continue // the body of a command, or what all have in common
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && loud[x.Name+"."+n.Sel.Name] {
					t.Errorf("%s: %s.%s in library code", s.fset.Position(n.Pos()), x.Name, n.Sel.Name)
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") {
					t.Errorf("%s: %s in library code", s.fset.Position(n.Pos()), f.Name)
				}
			}
			return true
		})
	}
}

// Every package says what it is, once and at length where it is public.
func TestPackageDocs(t *testing.T) {
	docs := map[string]int{}
	for _, s := range sources(t) {
		if s.file.Doc != nil {
			docs[s.dir]++
		} else {
			docs[s.dir] += 0
		}
	}
	for dir, n := range docs {
		assert.True(t, n > 0 || strings.Contains(dir, "internal/fb"), "package %s has no package comment", dir)
	}
}

func TestMainsAreShort(t *testing.T) {
	mains, err := filepath.Glob(filepath.Join(moduleRoot(t), "cmd", "*", "main.go"))
	require.NoError(t, err)
	for _, m := range mains {
		b, err := os.ReadFile(m)
		require.NoError(t, err)
		assert.Less(t, bytes.Count(b, []byte("\n")), 25, "%s: a main only calls its package", m)
	}
}

// The rules themselves.
func TestAllowed(t *testing.T) {
	for _, c := range []struct {
		dir, imported string
		ok            bool
	}{
		{"format", "os", true},
		{"format", module + "/internal/region", false},
		{"format", module + "/format/internal/fb", true},
		{"index", module + "/format", true},
		{"index", module, false},
		{"index", module + "/train", false},
		{".", module + "/index", true},
		{".", module + "/train", false},
		{"internal/training/grad", module + "/internal/onnx", true},
		{"internal/training", module + "/train", false},
		{"train", module + "/index", false},
		{"train", module, false},
		{"internal/eval", module + "/train", false},
		{"cmd/aladin-eval", module + "/train", true},
		{"cmd/aladin-eval", module, true},
		{"internal/eval", module + "/cmd/aladin-eval", false},
		{"cmd/aladin-eval", module + "/cmd/internal/flags", true},
		{"internal/bundle", module + "/internal/ort", false},
		{"internal/regions/detect", "github.com/yalue/onnxruntime_go", false},
		{"internal/ort", "github.com/yalue/onnxruntime_go", true},
		{"scorer", "C", false},
		{"internal/evalcmd", module, true},
		{"internal/evalcmd", module + "/cmd/aladin-eval", false},
		{"newhouse", module + "/internal/ort", false},
	} {
		err := allowed(c.dir, c.imported)
		assert.Equal(t, c.ok, err == nil, "%s → %s: %v", c.dir, c.imported, err)
	}
}

// The picture of docs/architecture.md has every package, and each imports only those of lower floors.
func TestFloors(t *testing.T) {
	root := moduleRoot(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	require.NoError(t, err)
	_, drawing, ok := strings.Cut(string(text), "```floors\n")
	require.True(t, ok, "the picture is lost")
	drawing, _, _ = strings.Cut(drawing, "```")
	floors, floor := map[string]int{}, 0
	for _, line := range strings.Split(drawing, "\n") {
		for i, word := range strings.Fields(line) {
			if n, err := strconv.Atoi(word); err == nil && i == 0 {
				floor = n
			}
			if word == "aladin" {
				word = "."
			}
			files, _ := filepath.Glob(filepath.Join(root, filepath.FromSlash(word), "*.go"))
			if _, known := floors[word]; len(files) > 0 && !known { // later ones are words of what is said about others
				floors[word] = floor
			}
		}
	}
	require.Greater(t, len(floors), 40)
	// room is the package of the picture that a folder belongs to.
	room := func(dir string) string {
		for p := dir; p != "."; p = path.Dir(p) {
			if _, ok := floors[p]; ok {
				return p
			}
		}
		if dir == "." {
			return "."
		}
		return ""
	}
	for _, s := range sources(t) {
		if under(s.dir, []string{"examples", "scripts"}) {
			continue
		}
		from := room(s.dir)
		require.NotEmpty(t, from, "%s is not in the picture: give it its place in docs/architecture.md", s.dir)
		for _, spec := range s.file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			dir, ours := strings.CutPrefix(imported, module)
			if !ours {
				continue
			}
			to := room(path.Join(".", strings.TrimPrefix(dir, "/")))
			require.NotEmpty(t, to, "%s is not in the picture", imported)
			require.True(t, from == to || floors[from] > floors[to], "%s/%s of floor %d imports %s of floor %d", s.dir, s.name, floors[from], to, floors[to])
		}
	}
}
