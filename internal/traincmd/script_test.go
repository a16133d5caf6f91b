package traincmd

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/published"
	"github.com/aladin-go/aladin/internal/tokenizer"
	"github.com/aladin-go/aladin/internal/torch"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"aladin-train": func() { os.Exit(Program.Main()) },
		"mkcheckpoint": mkcheckpoint,
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
	})
}

// mkcheckpoint writes a small checkpoint with its backbone's folder into a folder, with extra tensors as
// published ones have them, and changes: drop=NAME and reshape=NAME of a tensor, module (the prefix of
// DataParallel), half (float16), noconfig.
func mkcheckpoint() {
	log.SetFlags(0)
	dir, changes := os.Args[1], os.Args[2:]
	net := nn.Config{Layers: 1, Hidden: 8, Heads: 2, FF: 16, Vocab: 9, MaxPositions: 16, Types: 2, LayerNormEps: 1e-12, RegionDim: 12,
		RegionLayerNorm: true, RegionLayerNormEps: 1e-12, MatchLayers: 1, MatchHeads: 4, MatchFF: 8, Alignment: "MrSw", ReleasedAlignment: true}
	wp, err := tokenizer.NewWordPiece([]string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "cat", "."}, nil)
	if err != nil {
		log.Fatal(err)
	}
	s := published.Source{Net: net, MaxCaption: 12, MaxLabels: 12, MaxRegions: 6, Tokenizer: wp, FirstLabel: "[UNK]", Weights: starts{}}
	path := filepath.Join(dir, "checkpoint.pth.tar")
	for _, err := range []error{os.MkdirAll(dir, 0o755), published.Export(path, s), published.ExportBackbone(filepath.Join(dir, "backbone"), s), change(path, changes)} {
		if err != nil {
			log.Fatal(err)
		}
	}
}

// starts are parameters as they start.
type starts struct{}

func (starts) Values(p nn.Param) ([]float32, error) { return p.Start(1), nil }

// change rewrites a checkpoint.
func change(path string, changes []string) error {
	f, err := torch.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	model, err := torch.StateDict(f.Value(), "model")
	if err != nil {
		return err
	}
	extra, err := torch.NewTensor([]int{2}, []float32{1, 2})
	if err != nil {
		return err
	}
	out := &torch.Dict{Ordered: true}
	for name, t := range model.All() {
		out.Set(name, t)
	}
	out.Set("img_txt_enc.oscar_model.bert.pooler.dense.bias", extra)
	out.Set("img_txt_enc.surprise", extra)
	whole := torch.NewDict("epoch", 3)
	config, _ := torch.Lookup(f.Value(), "config")
	opt, _ := torch.Lookup(f.Value(), "opt")
	for _, c := range changes {
		what, name, _ := strings.Cut(c, "=")
		next := &torch.Dict{Ordered: true}
		for key, v := range out.All() {
			k, t := key.(string), v.(*torch.Tensor)
			switch {
			case what == "drop" && strings.HasSuffix(k, name):
				continue
			case what == "reshape" && strings.HasSuffix(k, name):
				t = extra
			case what == "module":
				k = "module." + k
			case what == "half":
				bits := make([]uint16, t.Len())
				for i := range bits {
					bits[i] = 0x3000 + uint16(i%512) // 0.125 and more
				}
				if t, err = torch.NewTensor(t.Shape, bits); err != nil {
					return err
				}
				t.Type, t.Storage.Type = elem.Float16, elem.Float16
			}
			next.Set(k, t)
		}
		out = next
		if what == "noconfig" {
			config = nil
		}
	}
	if config != nil {
		whole.Set("config", config)
	}
	whole.Set("opt", opt)
	whole.Set("model", out)
	return torch.Save(path, whole)
}
