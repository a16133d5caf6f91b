package aladin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/align"
	"github.com/aladin-go/aladin/internal/atomicfile"
	"github.com/aladin-go/aladin/internal/batch"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/regions"
	"github.com/aladin-go/aladin/internal/relevance"
	"github.com/aladin-go/aladin/internal/resident"
	"github.com/aladin-go/aladin/internal/tokenizer"
)

// A Model encodes texts and images. It is safe for concurrent use. Its parts are loaded when they are first
// needed, so that a program which only searches by text never loads the image encoder.
type Model struct {
	bundle  *bundle.Bundle
	opts    Options
	text    input.Text
	cache   *textCache
	source  *regions.Config // nil: precomputed
	towers  *towers         // nil: the encoders read word pieces and regions
	mode    align.Mode      // of alignment
	ranking *index.Ranking  // of what its encodings find; nil where nobody calibrated it

	texts, images         lazy[*ort.Session]
	aligner               lazy[*resident.Ranker]
	textQueue, imageQueue *batch.Queue[*prepared]
	extractQueue          *batch.Queue[*extraction]
	alignQueue            *batch.Queue[*alignRun]
	extractor             lazy[regions.Extractor]
	references            lazy[*index.Index] // with which hits are compared
	learned               func() []string    // the words that it was trained with; nil where it does not say
	seen                  func() bundle.WordCounts
	labels                func() (*relevance.Labels, error) // that mean words; nil: none

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
}

// OpenModel opens the model in folder dir. Files are checked against their checksums when they are loaded.
func OpenModel(dir string, opts *Options) (*Model, error) {
	o, err := opts.normal()
	if err != nil {
		return nil, err
	}
	b, err := bundle.Open(dir)
	if err != nil {
		return nil, err
	}
	m := &Model{bundle: b, opts: o, cache: newTextCache(o.CacheTexts)}
	if m.mode, err = align.ParseMode(b.Manifest.Alignment, b.Manifest.Quirks.NullRegion); err != nil {
		return nil, fmt.Errorf("%s: model.json: %w", dir, err)
	}
	if c := b.Manifest.Calibration; c != nil {
		m.ranking = &index.Ranking{MatchScale: c.MatchScale()}
	}
	if b.Manifest.Towers != nil {
		m.towers, err = openTowers(b)
	} else {
		err = m.openEncoders()
	}
	if err != nil {
		return nil, err
	}
	session := func(name string) func() (*ort.Session, error) {
		return func() (*ort.Session, error) {
			path, err := m.bundle.Path(name)
			if err != nil {
				return nil, err
			}
			return ort.Open(path, m.runtimeOf(name))
		}
	}
	m.texts.open, m.images.open, m.aligner.open = session(bundle.TextFile), session(bundle.ImageFile), m.openRanker
	if o.Int8Text {
		m.texts.open = m.openInt8(m.texts.open)
	}
	m.learned = sync.OnceValue(func() []string {
		if m.text.Tokenizer == nil {
			return nil
		}
		return m.text.Tokenizer.Learned()
	})
	m.seen = sync.OnceValue(func() bundle.WordCounts {
		counts, _ := m.bundle.Words() // a damaged file is told by whoever checks the model; searches do without
		return counts
	})
	m.references.open = m.openReferences
	m.labels = sync.OnceValues(m.openLabels)
	m.extractor.open = m.openExtractor
	m.textQueue, m.imageQueue = batch.NewQueue(m.runTexts), batch.NewQueue(m.runImages)
	m.extractQueue, m.alignQueue = batch.NewQueue(m.runExtract), batch.NewQueue(m.runAligns)
	return m, nil
}

// openEncoders reads what the encoders of regions need, but for their graphs.
func (m *Model) openEncoders() (err error) {
	b := m.bundle
	if m.text, err = openText(b); err != nil {
		return err
	}
	if m.text.CLIP != nil {
		m.text.CLIP.Tower.Options = *m.opts.runtime()
	}
	if b.Manifest.Regions.Kind != bundle.Precomputed {
		if m.source, err = regions.ParseConfig(b.Manifest.Regions.Config); err != nil {
			return fmt.Errorf("%s: model.json: regions: %w", b.Dir(), err)
		}
	}
	return nil
}

func openText(b *bundle.Bundle) (t input.Text, err error) {
	man := &b.Manifest
	if !man.Encodes() {
		return t, fmt.Errorf("%s: %w", b.Dir(), ErrNoEncoder)
	}
	if man.Tokenizer.Kind != bundle.WordPiece {
		return t, fmt.Errorf("%s: texts are cut by the tokenizer %q, which cannot be run here yet", b.Dir(), man.Tokenizer.Kind)
	}
	path, err := b.Path(man.Tokenizer.File)
	if err != nil {
		return t, err
	}
	t = input.Text{MaxCaption: man.Lengths.Caption, MaxLabels: man.Lengths.Labels}
	words, err := tokenizer.BundleOptions(man.Tokenizer.Lowercase, man.Tokenizer.Options)
	if err != nil {
		return t, fmt.Errorf("%s: model.json: %w", b.Dir(), err)
	}
	if t.Tokenizer, err = tokenizer.LoadWordPiece(path, words); err != nil {
		return t, err
	}
	for _, id := range []int{t.Tokenizer.PAD(), t.Tokenizer.CLS(), t.Tokenizer.SEP()} {
		if id < 0 {
			return t, fmt.Errorf("%w: %s lacks [PAD], [CLS] or [SEP]", ErrCorrupt, path)
		}
	}
	var ok bool
	if t.FirstLabel, ok = t.Tokenizer.ID(man.Quirks.FirstToken()); !ok {
		return t, fmt.Errorf("%w: %s lacks %s", ErrCorrupt, path, man.Quirks.FirstToken())
	}
	t.CLIP, err = input.OpenCLIP(b)
	return t, err
}

func (m *Model) openExtractor() (regions.Extractor, error) {
	if m.source == nil {
		return nil, fmt.Errorf("%s: %w; give it regions (aladin.Regions, --features)", m.bundle.Manifest.Name, ErrNoPixels)
	}
	for _, name := range m.source.Files() {
		if _, err := m.bundle.Path(name); err != nil { // checks the content
			return nil, err
		}
	}
	x, err := regions.Open(m.source, m.bundle.Dir(), m.opts.runtime())
	if err != nil {
		return nil, err
	}
	if want := m.bundle.Manifest.Dims.Region; x.Dim() != want {
		return nil, errors.Join(fmt.Errorf("%w: %s: the region source gives %d features, the encoder reads %d", ErrCorrupt, m.bundle.Dir(), x.Dim(), want), x.Close())
	}
	return x, nil
}

// openInt8 opens the text encoder with products of bytes, or as plain does where it finds a GPU.
func (m *Model) openInt8(plain func() (*ort.Session, error)) func() (*ort.Session, error) {
	return func() (*ort.Session, error) {
		if m.opts.onGPU() {
			s, err := plain()
			if err != nil || s.Device() != "cpu" { // "auto" may have found none
				return s, err
			}
			if err := s.Close(); err != nil {
				return nil, err
			}
		}
		path, err := m.bundle.Path(bundle.TextFile)
		if err != nil {
			return nil, err
		}
		o := m.runtimeOf(bundle.TextFile)
		o.Device = "cpu"
		if o.Keep != nil {
			o.Keep.Key += " int8"
			o.Keep.Make = func(dir string) (string, error) { return writeInt8(path, dir) }
			return ort.Open(path, o)
		}
		graph, err := openQuantized(path)
		if err != nil {
			return nil, err
		}
		defer graph.Close()
		return ort.Load(graph.Model.Marshal(), o)
	}
}

// openQuantized opens a graph and turns its products into those of bytes.
func openQuantized(path string) (*onnx.File, error) {
	graph, err := onnx.Open(path)
	if err == nil {
		if _, err = graph.Model.QuantizeWeights(); err != nil {
			err = errors.Join(err, graph.Close())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrCorrupt, path, err)
	}
	return graph, nil
}

// writeInt8 writes what openQuantized makes of a graph into a folder.
func writeInt8(path, dir string) (_ string, err error) {
	graph, err := openQuantized(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, graph.Close()) }()
	const small = 1024 // bytes, and left in the graph
	data := onnx.NewDataFile(bundle.TextFile + ".data")
	graph.Model.MoveOut(data, small)
	if err := atomicfile.Write(filepath.Join(dir, data.Location()), data.Write); err != nil {
		return "", err
	}
	made := filepath.Join(dir, bundle.TextFile)
	return made, os.WriteFile(made, graph.Model.Marshal(), 0o600)
}

// keptMost is how large a network may be to be kept as it is rewritten, which takes twice its size on disk.
const keptMost = 512 << 20

// runtimeOf says how one of the model's networks runs.
func (m *Model) runtimeOf(name string) *ort.Options {
	o := m.opts.runtime()
	if !m.opts.KeepGraphs {
		return o
	}
	cache, err := os.UserCacheDir()
	if digest, size := m.bundle.Digest(name); err == nil && size <= keptMost {
		o.Keep = &ort.Keep{Folder: filepath.Join(cache, "aladin", "graphs"), Key: digest}
	}
	return o
}

// together is how many inputs of concurrent calls go through a network at once: most on a GPU.
func (m *Model) together(network *lazy[*ort.Session], most int) (int, error) {
	if m.opts.Batch > 0 || !m.opts.onGPU() {
		return max(m.opts.Batch, 1), nil
	}
	s, err := network.get()
	if err != nil || s.Device() == "cpu" { // "auto" may have found no GPU
		return 1, err
	}
	return most, nil
}

// ModelInfo describes a model.
type ModelInfo struct {
	Name        string
	Fingerprint string // encodings of models with the same one can be compared
	Dim         int    // values of a vector
	RegionDim   int    // features of a region; 0 if the model reads pictures as they are
	MaxRegions  int    // regions of a picture that are read; 0 is all
	Pixels      bool   // it encodes pictures, not only precomputed regions
	// Aligns says whether the model compares words with regions. One that does not has a single vector for a
	// text or a picture: it finds, but its hits are not explained.
	Aligns bool
	// Untrained says that nobody trained the model's vectors of words and regions to be compared word by word, as
	// in a model of the CLIP family as it is imported, or of another alignment mode (see [Alignment]): they show
	// where something might be, but do not rank.
	Untrained bool
}

// Info describes the model.
func (m *Model) Info() ModelInfo {
	man := &m.bundle.Manifest
	return ModelInfo{
		Name: man.Name, Fingerprint: m.Fingerprint(), Dim: m.dim(), RegionDim: m.regionDim(),
		MaxRegions: man.Lengths.Regions, Pixels: m.source != nil || m.towers != nil,
		Aligns: man.Aligns(), Untrained: m.towers != nil && m.towers.Untrained || !m.mode.MaxSim(),
	}
}

// Fingerprint identifies the model: encodings with the same one can be compared.
func (m *Model) Fingerprint() string { return m.bundle.Fingerprint() }

func (m *Model) dim() int { return m.bundle.Manifest.Dims.Embed }

func (m *Model) regionDim() int { return m.bundle.Manifest.Dims.Region }

// Device is where the model runs, "cpu", "cuda:N" or "webgpu:N": what "auto" came to. It loads the text encoder.
func (m *Model) Device() (string, error) {
	if err := m.enter(); err != nil {
		return "", err
	}
	defer m.calls.Done()
	s, err := m.texts.get()
	if err != nil {
		return "", err
	}
	return s.Device(), nil
}

// Close waits for calls under way and frees the model. Closing twice is harmless.
func (m *Model) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.calls.Wait()
	err := errors.Join(m.texts.close(), m.images.close(), m.aligner.close(), m.extractor.close(), m.references.close())
	if m.text.CLIP != nil {
		err = errors.Join(err, m.text.CLIP.Tower.Close())
	}
	return err
}

// enter begins a call, which ends with m.calls.Done.
func (m *Model) enter() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return fmt.Errorf("aladin: model %s: %w", m.bundle.Manifest.Name, ErrClosed)
	}
	m.calls.Add(1)
	return nil
}

// lazy is something that is opened when it is first needed. An open that failed is tried again.
type lazy[T interface{ Close() error }] struct {
	open func() (T, error)

	mu    sync.Mutex
	there bool
	value T
}

func (l *lazy[T]) get() (T, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.there {
		return l.value, nil
	}
	v, err := l.open()
	if err == nil {
		l.value, l.there = v, true
	}
	return v, err
}

func (l *lazy[T]) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.there {
		return nil
	}
	l.there = false
	return l.value.Close()
}
