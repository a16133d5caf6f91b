package published

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/safetensors"
	"github.com/aladin-go/aladin/internal/torch"
)

// Prefixes of names: the encoder in a checkpoint, and what a folder's names lack of it.
const (
	encoderPrefix = "img_txt_enc."
	oscarPrefix   = encoderPrefix + "oscar_model."
	bertPrefix    = oscarPrefix + "bert."
)

// A stored tensor is one of a file, with its name there and in the network's form.
type stored struct {
	source string // name in the file
	name   string // as the network would have it
	tensor *torch.Tensor
}

// weights are the tensors of a file in its order.
type weights struct {
	path   string
	list   []stored
	byName map[string]*torch.Tensor
	meta   any // a state dict's _metadata, or nil
	closer io.Closer
}

func (w *weights) add(source, name string, t *torch.Tensor) error {
	if _, ok := w.byName[name]; ok {
		return fmt.Errorf("%w: %s: two tensors are %s; one of them is named %s", ErrTensors, w.path, name, source)
	}
	w.byName[name] = t
	w.list = append(w.list, stored{source, name, t})
	return nil
}

// checkpointWeights takes the parameters out of a checkpoint's "model".
func checkpointWeights(path string, value any) (*weights, error) {
	w := &weights{path: path, byName: map[string]*torch.Tensor{}}
	dict, err := torch.StateDict(value, "model")
	if err != nil {
		return nil, fmt.Errorf("%w: %s: model: %w (is it a checkpoint.pth.tar of ALADIN? A backbone alone is read from its folder)", ErrCheckpoint, path, err)
	}
	if v, err := torch.Lookup(value, "model"); err == nil {
		w.meta = v.(*torch.Dict).State
	}
	for source, t := range dict.All() {
		if err := w.add(source, strings.TrimPrefix(source, "module."), t); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// folderWeights opens a folder's parameters.
func folderWeights(dir string) (*weights, error) {
	w := &weights{path: filepath.Join(dir, safetensorsFile), byName: map[string]*torch.Tensor{}}
	f, err := safetensors.Open(w.path)
	if err == nil {
		w.closer = f
		return w, w.addSafetensors(f)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", ErrBackbone, err)
	}
	w.path = filepath.Join(dir, torchFile)
	t, err := torch.Open(w.path)
	if errors.Is(err, fs.ErrNotExist) {
		if parts, _ := filepath.Glob(filepath.Join(dir, "*.index.json")); len(parts) > 0 {
			return nil, fmt.Errorf("%w: %s: weights split over several files are not read; save the model in one", ErrBackbone, parts[0])
		}
		return nil, fmt.Errorf("%w: %s holds neither %s nor %s", ErrBackbone, dir, safetensorsFile, torchFile)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBackbone, err)
	}
	w.closer = t
	dict, err := torch.StateDict(t.Value())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s: %w", ErrBackbone, w.path, err), w.Close())
	}
	for source, x := range dict.All() {
		if err := w.add(source, folderName(source), x); err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	return w, nil
}

func (w *weights) addSafetensors(f *safetensors.File) error {
	for _, source := range f.Names() {
		t := f.Tensor(source)
		x, err := asTorch(t.Type, t.Shape, t.Data)
		if err == nil {
			err = w.add(source, folderName(source), x)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %s: %w", w.path, source, err), w.Close())
		}
	}
	return nil
}

// Close unmaps the file.
func (w *weights) Close() error {
	if w.closer == nil {
		return nil
	}
	return w.closer.Close()
}

// bareBERT are the first parts of names in a file of BERT alone.
var bareBERT = []string{"embeddings.", "encoder.", "pooler.", "img_embedding.", "LayerNorm."}

// folderName brings a folder's name of a tensor to the checkpoint's form.
func folderName(name string) string {
	name = strings.TrimPrefix(name, "module.")
	for _, p := range bareBERT {
		if strings.HasPrefix(name, p) {
			name = "bert." + name
			break
		}
	}
	if base, ok := strings.CutSuffix(name, ".gamma"); ok {
		name = base + ".weight"
	} else if base, ok := strings.CutSuffix(name, ".beta"); ok {
		name = base + ".bias"
	}
	return oscarPrefix + name
}

// asTorch makes a tensor of little-endian bytes, which it keeps.
func asTorch(typ elem.Type, shape []int, data []byte) (*torch.Tensor, error) {
	var t *torch.Tensor
	var err error
	switch typ.Size() {
	case 1:
		t, err = torch.NewTensor(shape, data)
	case 2:
		t, err = torch.NewTensor(shape, elem.Load[uint16](data))
	case 4:
		t, err = torch.NewTensor(shape, elem.Load[uint32](data))
	case 8:
		t, err = torch.NewTensor(shape, elem.Load[uint64](data))
	default:
		return nil, fmt.Errorf("%w: a tensor of %v", ErrTensors, typ)
	}
	if err != nil {
		return nil, err
	}
	t.Type, t.Storage.Type = typ, typ
	return t, nil
}

// What a tensor that the network does not use is for, by a part of its name.
var spare = []struct{ part, why string }{
	{"bert.pooler.", "VinVL's pooler, which ALADIN does not read"},
	{"oscar_model.classifier.", "VinVL's classifier, which ALADIN does not read"},
	{"oscar_model.cls.", "BERT's pretraining head"},
	{"img_txt_enc.img_proj.", "in the checkpoint, but not in the released network"},
	{"img_txt_enc.cap_proj.", "in the checkpoint, but not in the released network"},
	{"_aggregation.", "in the checkpoint, but not in the released network"},
	{"post_oscar_transformer.", "only depth aggregation before matching reads it"},
	{"embeddings.position_ids", "a constant"},
	{"bert.detic_to_oscar_img", "Detic's layer, which a network of this many features does not reach"},
	{"embeddings.clip_", "CLIP's layer, off in this model"},
	{".clip_model.", "CLIP's own weights, which are not trained"},
	{"embeddings.word_embeddings.", "of word pieces, in whose place this model reads CLIP's vectors"},
	{"logit_scale", "of training"},
	{"distillation_loss.", "of training"},
	{"loss_weights.", "of training"},
	{"bert.img_embedding.", "the region layer, left out for a fresh one"},
	{"oscar_model.bert.LayerNorm.", "the regions' normalisation, off in this model"},
}

func spareReason(name string) string {
	for _, s := range spare {
		if strings.Contains(name, s.part) {
			return s.why
		}
	}
	return ""
}

// freshable tells whether a parameter may start from nothing when there is a backbone alone: everything
// but BERT itself.
func freshable(name string) bool {
	rest, ok := strings.CutPrefix(name, bertPrefix)
	return !ok || !strings.HasPrefix(rest, "embeddings.") && !strings.HasPrefix(rest, "encoder.")
}

// fit finds the tensor of each parameter. What is wrong or lacking is one error that names everything; what
// mayStart allows to be missing is none, nor, if reshaped says so, what has another shape.
func (w *weights) fit(params []nn.Param, mayStart func(name string) bool, reshaped bool) (found map[string]*torch.Tensor, fresh []nn.Param, err error) {
	found = map[string]*torch.Tensor{}
	var wrong []string
	for _, p := range params {
		t := w.byName[p.Name]
		switch {
		case t == nil && mayStart(p.Name), t != nil && reshaped && !slices.Equal(t.Shape, p.Shape):
			fresh = append(fresh, p)
		case t == nil:
			wrong = append(wrong, fmt.Sprintf("%s %v is missing", p.Name, p.Shape))
		case !slices.Equal(t.Shape, p.Shape):
			wrong = append(wrong, fmt.Sprintf("%s has shape %v, the network wants %v", p.Name, t.Shape, p.Shape))
		default:
			found[p.Name] = t
		}
	}
	if len(wrong) > 0 {
		return nil, nil, fmt.Errorf("%w: %s: %d of %d:\n  %s", ErrTensors, w.path, len(wrong), len(params), strings.Join(wrong, "\n  "))
	}
	return found, fresh, nil
}
