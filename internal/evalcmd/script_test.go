package evalcmd

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	aladin "github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/source"
	"github.com/aladin-go/aladin/internal/testmodel"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"aladin-eval": func() { os.Exit(Program.Main()) },
		"mkdump":      mkdump,
		"mkmodel":     mkmodel,
		"mkindex":     mkindex,
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			if path, err := ort.Library(); err == nil { // scripts have no home to find it in
				env.Setenv("ALADIN_ONNXRUNTIME", path)
			}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "ort" {
				return ort.Available(), nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"json": jsonCommand,
		},
	})
}

// jsonCommand compares one value of a JSON file, by a path of keys and places: json FILE a.b.0 VALUE.
func jsonCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 && len(args) != 3 {
		ts.Fatalf("usage: json FILE PATH [VALUE]")
	}
	var v any
	if err := json.Unmarshal([]byte(ts.ReadFile(args[0])), &v); err != nil {
		ts.Fatalf("%s: %v", args[0], err)
	}
	found := true
	for _, key := range strings.Split(args[1], "/") {
		switch x := v.(type) {
		case map[string]any:
			v, found = x[key]
		case []any:
			k, err := strconv.Atoi(key)
			found = err == nil && k < len(x)
			if found {
				v = x[k]
			}
		default:
			found = false
		}
		if !found {
			break
		}
	}
	if len(args) == 2 {
		if found == neg {
			ts.Fatalf("%s: %s present: %v", args[0], args[1], found)
		}
		return
	}
	if got := fmt.Sprint(v); (got == args[2]) == neg {
		ts.Fatalf("%s: %s is %s, want %s", args[0], args[1], got, args[2])
	}
}

// mkdump writes a small dump: mkdump FILE [images=N] [seed=N] [noise=F] [bad=…] [without=…].
func mkdump() {
	images, seed, noise := 40, 1, 0.5
	var bad, without string
	for _, a := range os.Args[2:] {
		key, value, _ := strings.Cut(a, "=")
		switch key {
		case "images":
			images, _ = strconv.Atoi(value)
		case "seed":
			seed, _ = strconv.Atoi(value)
		case "noise":
			noise, _ = strconv.ParseFloat(value, 64)
		case "bad":
			bad = value
		case "without":
			without = value
		}
	}
	d := synthetic(images, uint64(seed), noise)
	var alignment eval.Scores
	switch bad {
	case "nan":
		d.imageVectors.Data[d.imageVectors.Dim*3+1] = float32(math.NaN())
	case "tokens":
		d.captionTokens.data[0] = float32(math.Inf(1))
	case "twice":
		d.images[1] = d.images[0]
	case "shape":
		alignment, _ = eval.NewMatrix(images, 2, make([]float32, images*2))
	case "dims":
		d.imageVectors = eval.Vectors{Dim: d.imageVectors.Dim / 2, Data: d.imageVectors.Data[:len(d.imageVectors.Data)/2]}
	case "owner":
		d.owner[2] = images
	case "constant":
		for k := range d.imageVectors.Data {
			d.imageVectors.Data[k] = 1
		}
	}
	switch without {
	case "tokens":
		d.imageTokens, d.captionTokens = nil, nil
	case "texts":
		d.texts = nil
	case "matching":
		d.imageVectors, d.captionVectors = eval.Vectors{}, eval.Vectors{}
	}
	for k, id := range d.images {
		if bad == "" && without == "" {
			if err := drawPhoto(filepath.FromSlash(id), k); err != nil {
				exit(err)
			}
		}
	}
	exit(writeDump(os.Args[1], d, alignment, true))
}

// mkmodel writes a model with random weights: mkmodel DIR [SEED [calibrated]].
func mkmodel() {
	o := testmodel.Options{Calibrated: len(os.Args) > 3}
	if len(os.Args) > 2 {
		o.Seed, _ = strconv.ParseUint(os.Args[2], 10, 64)
	}
	exit(testmodel.Write(os.Args[1], o))
}

// mkindex writes an index of scenes and one of their captions: mkindex MODEL SCENES IMAGES.aladin CAPTIONS.aladin.
func mkindex() {
	exit(func() error {
		ctx := context.Background()
		m, err := aladin.OpenModel(os.Args[1], nil)
		if err != nil {
			return err
		}
		defer m.Close()
		n, _ := strconv.Atoi(os.Args[2])
		src, err := (&source.Flags{Scenes: n}).Open(ctx, &source.Options{Split: "test"})
		if err != nil {
			return err
		}
		build := func(path string, ids []string, ins []aladin.Input) error {
			b, err := index.NewBuilder(path, nil)
			if err != nil {
				return err
			}
			encs, err := m.EncodeBatch(ctx, ins)
			if err != nil {
				return err
			}
			for k, enc := range encs {
				if err := b.Add(context.Background(), index.Item{ID: ids[k], Encoding: enc}); err != nil {
					return err
				}
			}
			return b.Finish(context.Background())
		}
		var ids []string
		var ins []aladin.Input
		for i := range src.Items {
			ids, ins = append(ids, src.Items[i].ID), append(ins, src.Input(i))
		}
		if err := build(os.Args[3], ids, ins); err != nil {
			return err
		}
		ids, ins = nil, nil
		for _, c := range src.Captions {
			ids, ins = append(ids, c.ID), append(ins, aladin.Text(c.Text))
		}
		return build(os.Args[4], ids, ins)
	}())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// drawPhoto writes a picture for the report.
func drawPhoto(path string, k int) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	img := image.NewRGBA(image.Rect(0, 0, 90, 60))
	for p := range img.Pix {
		img.Pix[p] = byte(p*k/40 + 50*(p%4))
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return jpeg.Encode(f, img, nil)
}

// synthetic is a world in which image i shows three of eight things; captions name them. Matching
// vectors see it through noise, tokens through less.
func synthetic(images int, seed uint64, noise float64) *data {
	const dim, things, per = 16, 24, 3
	names := []string{
		"dog", "cat", "ball", "car", "tree", "house", "bird", "boat", "horse", "lamp", "chair", "clock",
		"fish", "apple", "bridge", "hat", "drum", "kite", "rose", "train", "shoe", "book", "cow", "bell",
	}
	r := rand.New(rand.NewPCG(seed, 7))
	world := rand.New(rand.NewPCG(42, 42)) // the same pictures whatever the seed
	directions := make([][]float32, things)
	for k := range directions {
		directions[k] = make([]float32, dim)
		for j := range dim {
			directions[k][j] = float32(world.NormFloat64())
		}
	}
	vector := func(of []int, noise float64) []float32 {
		v := make([]float32, dim)
		for j := range v {
			for _, k := range of {
				v[j] += directions[k][j]
			}
			v[j] += float32(noise * r.NormFloat64())
		}
		return v
	}
	var spans [][]word
	d := &data{source: "synthetic", words: func(c int) []word { return spans[c] }, imageTokens: &tokens{dim: dim, start: []int{0}}, captionTokens: &tokens{dim: dim, start: []int{0}}}
	var iv, cv []float32
	for i := range images {
		shown := world.Perm(things)[:per]
		d.images = append(d.images, fmt.Sprintf("photos/é%03d.jpg", i))
		iv = append(iv, vector(shown, 2*noise)...)
		var boxes []region.Box
		for at, k := range shown {
			d.imageTokens.data = append(d.imageTokens.data, vector([]int{k}, noise)...)
			x := float32(at) / per
			boxes = append(boxes, region.Box{x, .2, x + 1./per, .8})
		}
		d.boxes = append(d.boxes, boxes)
		d.imageTokens.start = append(d.imageTokens.start, len(d.imageTokens.data)/dim)
		for n := range 1 + i%3 {
			said := shown[:2+n%2]
			text := "A " + names[said[0]] + " and a " + names[said[1]]
			if len(said) > 2 {
				text += " near a " + names[said[2]]
			}
			var parts []word
			for _, k := range said {
				at := strings.LastIndex(text, names[k])
				parts = append(parts, word{names[k], at, at + len(names[k])})
			}
			spans = append(spans, append(parts, word{})) // a token such as [SEP] covers no text
			d.captions = append(d.captions, fmt.Sprintf("%s#%d", d.images[i], n))
			d.texts = append(d.texts, text+".")
			d.owner = append(d.owner, i)
			cv = append(cv, vector(said, 2*noise)...)
			for _, k := range said {
				d.captionTokens.data = append(d.captionTokens.data, vector([]int{k}, noise)...)
				d.captionTokens.weights = append(d.captionTokens.weights, 1)
			}
			d.captionTokens.data = append(d.captionTokens.data, vector([]int{0}, 9)...)
			d.captionTokens.weights = append(d.captionTokens.weights, 0)
			d.captionTokens.start = append(d.captionTokens.start, len(d.captionTokens.data)/dim)
		}
	}
	for _, t := range []*tokens{d.imageTokens, d.captionTokens} {
		t.data = eval.Vectors{Dim: dim, Data: t.data}.Normalised().Data
	}
	d.imageVectors = eval.Vectors{Dim: dim, Data: iv}.Normalised()
	d.captionVectors = eval.Vectors{Dim: dim, Data: cv}.Normalised()
	return d
}
