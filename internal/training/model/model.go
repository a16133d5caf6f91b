package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/mapped"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/tokenizer"
	"github.com/aladin-go/aladin/internal/training/param"
)

// ErrTowers is returned for a bundle whose network is not one of ours.
var ErrTowers = errors.New("train: not a network that can be trained further or exported")

// A Model is all that a bundle is written from: a network with its parameters, its tokenizer, and where
// its regions come from.
type Model struct {
	Name        string
	Description string
	Net         nn.Config
	Params      *param.Set
	Text        input.Text
	MaxRegions  int
	Regions     bundle.Regions
	RegionFiles map[string]func(io.Writer) error // of the region source, and others
	Training    any                              // a record for people, as JSON
	Seen        bundle.WordCounts                // in how many captions each word was; nil is not known
	Dir         string                           // where it was loaded from
	Spare       []Named                          // tensors of its file that are no parameters, for Fit to tell

	Unmeasured bool                             // the regions' statistics are yet to be taken from the data
	clipFiles  map[string]func(io.Writer) error // of CLIP's text tower
}

// Save writes the model as a bundle, replacing the one in dir only once it is whole.
func (m *Model) Save(dir string) (*bundle.Bundle, error) {
	files := map[string]func(io.Writer) error{}
	for name, build := range map[string]func() (*onnx.Model, error){
		bundle.TextFile:  func() (*onnx.Model, error) { return nn.TextModel(m.Net, m.Params) },
		bundle.ImageFile: func() (*onnx.Model, error) { return nn.ImageModel(m.Net, m.Params) },
		bundle.AlignFile: func() (*onnx.Model, error) { return nn.AlignModel(m.Net) },
	} {
		files[name] = func(w io.Writer) error {
			model, err := build()
			if err != nil {
				return err
			}
			_, err = model.WriteTo(w)
			return err
		}
	}
	var vocab bytes.Buffer
	if err := tokenizer.WriteVocab(&vocab, m.Text.Tokenizer.Vocab()); err != nil {
		return nil, err
	}
	files[bundle.VocabFile] = bundle.FromBytes(vocab.Bytes())
	if m.Seen != nil {
		files[bundle.WordsFile] = m.Seen.Write
	}
	for name, write := range m.RegionFiles {
		files[name] = write
	}
	man, err := m.manifest()
	if err != nil {
		return nil, err
	}
	if man.CLIP != nil {
		maps.Copy(files, m.clipFiles)
	}
	return bundle.Create(dir, man, files)
}

func (m *Model) manifest() (bundle.Manifest, error) {
	net, err := json.Marshal(m.Net)
	if err != nil {
		return bundle.Manifest{}, err
	}
	man := bundle.Manifest{
		Name: m.Name, Description: m.Description,
		Dims:    bundle.Dims{Embed: m.Net.Hidden, Region: m.Net.RegionDim},
		Lengths: bundle.Lengths{Caption: m.Text.MaxCaption, Labels: m.Text.MaxLabels, Regions: m.MaxRegions},
		Tokenizer: bundle.Tokenizer{Kind: bundle.WordPiece, File: bundle.VocabFile, Lowercase: !m.Text.Tokenizer.Cased(),
			Options: m.Text.Tokenizer.BundleOptions()},
		Regions: m.Regions, Alignment: m.Net.Alignment, Network: net,
		Quirks: bundle.Quirks{DropLastPiece: m.Net.ReleasedAlignment, NullRegion: m.Net.ReleasedAlignment},
	}
	if m.Text.FirstLabel != m.Text.Tokenizer.CLS() {
		man.Quirks.FirstLabelToken = m.Text.Tokenizer.Piece(m.Text.FirstLabel)
	}
	if man.CLIP, err = m.clipManifest(); err != nil {
		return man, err
	}
	if m.Training != nil {
		if man.Training, err = json.Marshal(m.Training); err != nil {
			return man, err
		}
	}
	return man, nil
}

// Load reads a bundle back for training: its network, parameters and tokenizer.
func Load(dir string) (*Model, error) {
	b, err := bundle.Open(dir)
	if err != nil {
		return nil, err
	}
	man := b.Manifest
	if man.Towers != nil {
		return nil, fmt.Errorf("%s: %w: it is a model of two towers, on which heads are trained (--config clip-aladin)", dir, ErrTowers)
	}
	m := &Model{Dir: dir, Name: man.Name, Description: man.Description, Params: param.NewSet(), MaxRegions: man.Lengths.Regions,
		Regions: man.Regions, RegionFiles: map[string]func(io.Writer) error{}}
	if err := json.Unmarshal(man.Network, &m.Net); err != nil {
		return nil, fmt.Errorf("%s: model.json: network: %w (only bundles made by aladin-train can be trained further)", dir, err)
	}
	if err := m.Net.Validate(); err != nil {
		return nil, fmt.Errorf("%s: model.json: network: %w", dir, err)
	}
	for _, name := range []string{bundle.TextFile, bundle.ImageFile} {
		if err := m.readParams(b, name); err != nil {
			return nil, err
		}
	}
	path, err := b.Path(man.Tokenizer.File)
	if err != nil {
		return nil, err
	}
	m.Text = input.Text{MaxCaption: man.Lengths.Caption, MaxLabels: man.Lengths.Labels}
	words, err := tokenizer.BundleOptions(man.Tokenizer.Lowercase, man.Tokenizer.Options)
	if err != nil {
		return nil, fmt.Errorf("%s: model.json: %w", dir, err)
	}
	if m.Text.Tokenizer, err = tokenizer.LoadWordPiece(path, words); err != nil {
		return nil, err
	}
	id, ok := m.Text.Tokenizer.ID(man.Quirks.FirstToken())
	if !ok {
		return nil, fmt.Errorf("%s: vocabulary has no %s", dir, man.Quirks.FirstToken())
	}
	m.Text.FirstLabel = id
	if m.Seen, err = b.Words(); err != nil {
		return nil, err
	}
	own := map[string]bool{bundle.TextFile: true, bundle.ImageFile: true, bundle.AlignFile: true, bundle.WordsFile: true, bundle.ReferencesFile: true, bundle.LabelsFile: true, man.Tokenizer.File: true}
	for _, name := range b.Files() {
		if own[name] {
			continue
		}
		p, err := b.Path(name)
		if err != nil {
			return nil, err
		}
		m.RegionFiles[name] = bundle.FromFile(p)
	}
	return m, m.loadCLIP(b)
}

// readParams takes the float initialisers of a graph: parameters bear their names there.
func (m *Model) readParams(b *bundle.Bundle, name string) error {
	path, err := b.Path(name)
	if err != nil {
		return err
	}
	file, err := mapped.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	model, err := onnx.Unmarshal(file.Bytes())
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, t := range model.Graph.Initializers {
		if t.Type != onnx.Float || len(t.Dims) == 0 || m.Params.Lookup(t.Name) != nil { // numbers are no parameters
			continue
		}
		values, err := t.Float32s()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		shape := make([]int, len(t.Dims))
		for i, d := range t.Dims {
			shape[i] = int(d)
		}
		m.Params.Set(t.Name, shape, slices.Clone(values)) // the file's own are read-only
	}
	return nil
}
