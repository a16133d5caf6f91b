package published

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/aladin-go/aladin/internal/clip"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/tokenizer"
	"github.com/aladin-go/aladin/internal/torch"
)

// Options say what to read and what to do differently from the files.
type Options struct {
	// Checkpoint is ALADIN's checkpoint; "" reads the backbone alone.
	Checkpoint string
	// Backbone is the folder with config.json and the vocabulary; without a Checkpoint also the weights.
	Backbone string

	// MaxCaption, MaxLabels and MaxRegions are the longest sequences; 0 takes those of the checkpoint's opt,
	// or 50, 50 and 34.
	MaxCaption, MaxLabels, MaxRegions int
	// Alignment is an alignment mode in place of the checkpoint's.
	Alignment string
	// Released makes a model from a backbone alone score as the released code does. A checkpoint always is.
	Released bool
	// RegionDim gives a backbone alone a fresh region layer for that many features; 0 keeps its own, or
	// makes one of 2054 for a plain BERT.
	RegionDim int
	// MatchLayers is the depth of a fresh matching head; 0 means 2.
	MatchLayers int
	// StartMissing lets tensors that a checkpoint lacks start from nothing, too.
	StartMissing bool
	// Lenient reads whatever there is: tensors that are missing or of another shape than the network wants are
	// Fresh, and the latter Unused as well.
	Lenient bool
	// Seed starts what is fresh.
	Seed uint64
}

// A Spare is a tensor that the network does not use; Why is "" where the name tells nothing.
type Spare struct {
	Name  string `json:"name"`
	Shape []int  `json:"shape"`
	Why   string `json:"why,omitempty"`
}

// A Model is a published model, read. It is safe for concurrent use until Close.
type Model struct {
	Net                               nn.Config
	MaxCaption, MaxLabels, MaxRegions int
	Tokenizer                         *tokenizer.WordPiece
	// FirstLabel is the token before an image's labels: [UNK] in published checkpoints, else [CLS].
	FirstLabel string
	// Aggregate says that labels that repeat became one sentence for CLIP (--aggregation_type labels).
	Aggregate bool

	// Params are the network's parameters, Fresh those that started from nothing, Unused the tensors that
	// are in the file for no use.
	Params []nn.Param
	Fresh  []nn.Param
	Unused []Spare
	// Notes are remarks for people.
	Notes []string

	opts     Options
	backbone *backbone
	file     *torch.File // of the checkpoint
	value    any         // its content
	weights  *weights
	found    map[string]*torch.Tensor
}

// Read opens a published model. Close it when its values have been used.
func Read(o Options) (_ *Model, err error) {
	m := &Model{opts: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	if m.backbone, err = readBackbone(o.Backbone); err != nil {
		return nil, err
	}
	m.Net = m.backbone.net
	words := min(defaultMaxCaption, m.Net.MaxPositions)
	l := lengths{words, words, defaultMaxRegions}
	if o.Checkpoint != "" {
		l, err = m.readCheckpoint()
	} else {
		err = m.readAlone()
	}
	if err != nil {
		return nil, err
	}
	if err := m.readTokenizer(); err != nil {
		return nil, err
	}
	if err := m.setLengths(l); err != nil {
		return nil, err
	}
	return m, m.fit()
}

// readCheckpoint opens the checkpoint and completes the network by what it says.
func (m *Model) readCheckpoint() (l lengths, err error) {
	path := m.opts.Checkpoint
	if m.file, err = torch.Open(path); err != nil {
		return l, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	m.value = m.file.Value()
	if err := m.file.Verify(); err != nil { // PyTorch does not look, and can leave the checksums out
		m.note("%s is damaged, or was written without checksums: %v", filepath.Base(path), err)
	}
	if m.weights, err = checkpointWeights(path, m.value); err != nil {
		return l, err
	}
	config, err := torch.Lookup(m.value, "config")
	if err != nil {
		return l, fmt.Errorf("%w: %s has no training configuration: %w (is it a checkpoint.pth.tar of ALADIN?)", ErrCheckpoint, path, err)
	}
	s, err := plainSettings(path+": config", config)
	if err != nil {
		return l, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	m.Net.ReleasedAlignment = true
	m.FirstLabel = "[UNK]"
	m.regionLayer()
	m.clipLayers()
	if err := applyConfig(&m.Net, s); err != nil {
		return l, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	if err := m.ownConfig(s); err != nil {
		return l, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	if kind := s.text("detection_type", ""); kind == "det" && m.Net.RegionDim != nn.DeticDim {
		m.note("detection_type is det, but the region layer reads %d features, not Detic's %d", m.Net.RegionDim, nn.DeticDim)
	}
	opt, err := torch.Lookup(m.value, "opt")
	if err != nil {
		m.note("%s has no opt: lengths are %d, %d and %d", filepath.Base(path), defaultMaxCaption, defaultMaxCaption, defaultMaxRegions)
		opt = torch.NewDict()
	}
	if s, err = plainSettings(path+": opt", opt); err == nil {
		m.Aggregate = s.text(aggregateKey, "") == "labels"
		l, err = optLengths(s)
	}
	if err != nil {
		return l, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	return l, nil
}

// ownConfig reads what Export adds to the configuration of a model that the released code does not know.
func (m *Model) ownConfig(s settings) error {
	if text := s.text(networkKey, ""); text != "" {
		var net nn.Config
		if err := json.Unmarshal([]byte(text), &net); err != nil {
			return fmt.Errorf("%s: %s: %w", s.where, networkKey, err)
		}
		if err := net.Validate(); err != nil {
			return fmt.Errorf("%s: %s: %w", s.where, networkKey, err)
		}
		if net.Dropout.Source == "" {
			net.Dropout = m.Net.Dropout
		}
		m.Net = net
	}
	m.FirstLabel = s.text(firstLabelKey, m.FirstLabel)
	if m.FirstLabel != "[UNK]" && m.FirstLabel != "[CLS]" {
		s.fail(firstLabelKey, m.FirstLabel, "[UNK] or [CLS]")
	}
	return *s.err
}

// regionLayer takes the number of features from the region layer itself: config.json speaks of the
// backbone's, which ALADIN-2.0 replaces, and opt of a default.
func (m *Model) regionLayer() {
	shape := func(name string) []int {
		if t := m.weights.byName[bertPrefix+name]; t != nil && len(t.Shape) == 2 && t.Shape[1] <= maxInt && t.Shape[0] <= maxInt {
			return t.Shape
		}
		return nil
	}
	if s := shape("img_embedding.weight"); s != nil && s[1] > 0 {
		if s[1] != m.Net.RegionDim {
			m.note("the region layer reads %d features, where config.json says %d", s[1], m.Net.RegionDim)
		}
		m.Net.RegionDim = s[1]
	}
	if m.Net.RegionDim <= nn.DeticDim {
		return
	}
	if s := shape("detic_to_oscar_img.0.weight"); s != nil {
		m.Net.DeticHidden, m.Net.DeticIn = s[0], s[1]
	} else if s := shape("detic_to_oscar_img.weight"); s != nil {
		m.Net.DeticIn, m.Net.SingleLayers = s[1], true
	}
}

// clipLayers takes the sizes of CLIP's vectors from the layers that read them.
func (m *Model) clipLayers() {
	width := func(name string) int {
		for _, layer := range []string{".0.weight", ".weight"} {
			if t := m.weights.byName[bertPrefix+"embeddings."+name+layer]; t != nil && len(t.Shape) == 2 && t.Shape[1] > 0 && t.Shape[1] <= maxInt {
				m.Net.SingleLayers = m.Net.SingleLayers || layer == ".weight"
				return t.Shape[1]
			}
		}
		return 0
	}
	m.Net.CLIPCaptions, m.Net.CLIPLabels = width("clip_local_to_oscar_embeddings"), width("clip_global_to_oscar_embeddings")
}

// clipPrefix begins the names of CLIP's own weights, which ALADIN-2.0's checkpoints hold.
const clipPrefix = encoderPrefix + "clip_model."

// CLIP looks up CLIP's own weights by their names in its state dict. The values are valid until Close.
func (m *Model) CLIP(name string) (w clip.Weight, ok bool, err error) {
	t := m.weights.byName[clipPrefix+name]
	if t == nil {
		return w, false, nil
	}
	v, err := t.Float32()
	return clip.Weight{Shape: t.Shape, Data: v}, true, err
}

// readAlone opens the backbone's own weights and gives them fresh heads.
func (m *Model) readAlone() (err error) {
	if m.weights, err = folderWeights(m.opts.Backbone); err != nil {
		return err
	}
	layers := m.opts.MatchLayers
	if layers == 0 {
		layers = 2
	}
	m.Net.MatchLayers, m.Net.MatchHeads, m.Net.MatchFF = layers, 4, m.Net.Hidden
	m.Net.Alignment = "MrSw"
	m.FirstLabel = "[CLS]"
	if m.opts.Released {
		m.Net.ReleasedAlignment = true
		m.FirstLabel = "[UNK]"
	}
	if dim := m.opts.RegionDim; dim > 0 && dim != m.Net.RegionDim {
		m.Net.RegionDim = dim
		for _, name := range []string{"img_embedding.weight", "img_embedding.bias"} {
			delete(m.weights.byName, bertPrefix+name)
		}
		m.note("the region layer is fresh: the backbone's has another number of features than %d", dim)
	}
	return nil
}

func (m *Model) note(format string, args ...any) {
	m.Notes = append(m.Notes, fmt.Sprintf(format, args...))
}

func (m *Model) readTokenizer() (err error) {
	path := filepath.Join(m.opts.Backbone, vocabFile)
	if m.Tokenizer, err = tokenizer.LoadWordPiece(path, &tokenizer.Options{Cased: m.backbone.cased}); err != nil {
		return fmt.Errorf("%w: %w", ErrBackbone, err)
	}
	if n := m.Tokenizer.Size(); n > m.Net.Vocab {
		return fmt.Errorf("%w: %s has %d pieces, the encoder knows %d (config.json: vocab_size)", ErrBackbone, path, n, m.Net.Vocab)
	}
	if _, ok := m.Tokenizer.ID(m.FirstLabel); !ok {
		return fmt.Errorf("%w: %s has no %s", ErrBackbone, path, m.FirstLabel)
	}
	return nil
}

func (m *Model) setLengths(l lengths) error {
	for _, x := range []struct {
		name      string
		dst       *int
		over, own int
		low       int
	}{
		{"caption", &m.MaxCaption, m.opts.MaxCaption, l.caption, 4},
		{"labels", &m.MaxLabels, m.opts.MaxLabels, l.labels, 3},
		{"regions", &m.MaxRegions, m.opts.MaxRegions, l.regions, 1},
	} {
		*x.dst = x.own
		if x.over != 0 {
			*x.dst = x.over
		}
		if *x.dst < x.low || x.name != "regions" && *x.dst > m.Net.MaxPositions {
			return fmt.Errorf("%w: %s: at most %d tokens of %s; the encoder has positions for %d, and at least %d are needed",
				ErrBackbone, filepath.Join(m.opts.Backbone, configFile), *x.dst, x.name, m.Net.MaxPositions, x.low)
		}
	}
	return nil
}

// fit matches tensors and parameters.
func (m *Model) fit() (err error) {
	if m.opts.Alignment != "" {
		m.Net.Alignment = m.opts.Alignment
	}
	if m.Params, err = nn.Parameters(m.Net); err != nil {
		return fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	mayStart := freshable
	if m.opts.Checkpoint != "" {
		mayStart = func(string) bool { return m.opts.StartMissing }
	}
	if m.opts.Lenient {
		mayStart = func(string) bool { return true }
	}
	if m.found, m.Fresh, err = m.weights.fit(m.Params, mayStart, m.opts.Lenient); err != nil {
		return err
	}
	for _, t := range m.weights.list {
		if m.found[t.name] == nil {
			m.Unused = append(m.Unused, Spare{Name: t.source, Shape: t.tensor.Shape, Why: spareReason(t.name)})
		}
	}
	return nil
}

// Values implements nn.Weights. The slice may alias the file: it is read-only and ends with Close.
func (m *Model) Values(p nn.Param) ([]float32, error) {
	t := m.found[p.Name]
	if t == nil {
		for _, f := range m.Fresh {
			if f.Name == p.Name {
				return f.Start(m.opts.Seed), nil
			}
		}
		return nil, fmt.Errorf("%w: %s: %s %v is missing", ErrTensors, m.weights.path, p.Name, p.Shape)
	}
	v, err := t.Float32()
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %s: %w", ErrTensors, m.weights.path, p.Name, err)
	}
	for i, x := range v {
		if d := x - x; d != 0 { // NaN or infinite
			return nil, fmt.Errorf("%w: %s: %s: value %d is %v", ErrTensors, m.weights.path, p.Name, i, x)
		}
	}
	if len(v) != p.Len() {
		return nil, fmt.Errorf("%w: %s: %s has %d values, the network wants %v", ErrTensors, m.weights.path, p.Name, len(v), p.Shape)
	}
	return v, nil
}

// A Tensor is one of a model's files.
type Tensor struct {
	Name   string // as the network would have it
	Shape  []int
	Values []float32 // nil for integers, and for CLIP's own weights; may alias the file
}

// Tensors are all tensors of the files, whether the network has a use for them or not.
func (m *Model) Tensors() ([]Tensor, error) {
	out := make([]Tensor, 0, len(m.weights.list))
	for _, t := range m.weights.list {
		x := Tensor{Name: t.name, Shape: t.tensor.Shape}
		if learnable(t.tensor.Type) && !strings.HasPrefix(t.name, clipPrefix) {
			var err error
			if x.Values, err = t.tensor.Float32(); err != nil {
				return nil, fmt.Errorf("%w: %s: %s: %w", ErrTensors, m.weights.path, t.source, err)
			}
		}
		out = append(out, x)
	}
	return out, nil
}

// Close unmaps the files.
func (m *Model) Close() error {
	var errs []error
	if m.file != nil {
		errs = append(errs, m.file.Close())
	}
	if m.weights != nil {
		errs = append(errs, m.weights.Close())
	}
	return errors.Join(errs...)
}
