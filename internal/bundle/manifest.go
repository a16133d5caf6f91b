package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Version is the newest format version, MinVersion the oldest that Open reads. Create writes the oldest that
// has what the model needs, so that programs of then read all the models that they can.
//
//	1  the first
//	2  models of two towers, which read pictures in place of regions and may have no alignment
//	3  models that are calibrated
const (
	Version    = 3
	MinVersion = 1
)

// Names of the files in a bundle.
const (
	ManifestFile = "model.json"
	TextFile     = "text.onnx"
	ImageFile    = "image.onnx"
	AlignFile    = "align.onnx"
	VocabFile    = "vocab.txt"
	RegionsFile  = "regions.onnx" // by custom; Regions.Config may name others
)

// Kinds of tokenizer.
const (
	WordPiece = "wordpiece"
	CLIP      = "clip"    // CLIP's byte pairs
	Unigram   = "unigram" // SentencePiece's
	BPE       = "bpe"     // of a tokenizer.json
)

// Sources of regions.
const (
	Precomputed = "precomputed"
	ONNX        = "onnx"
	Patches     = "patches"
	Segments    = "segments"
	Pixels      = "pixels" // there are none: the image encoder reads the picture
)

// AlignmentModes are the ways of making one score of word-region similarities, by their published names, and
// MrCOSw, which is ours. (What MrAVGw and MrCOSw divide by is in the weights that text.onnx gives.)
var AlignmentModes = []string{"MrSw", "MrAVGw", "MwSr", "symm", "sum", "mean", "scan-sentences", "MrCOSw"}

// Manifest is model.json.
type Manifest struct {
	// Format is the format version; Create sets it.
	Format int `json:"format"`
	// Name is short and without spaces; it begins the fingerprint.
	Name string `json:"name"`
	// Description is for people.
	Description string    `json:"description,omitempty"`
	Dims        Dims      `json:"dims"`
	Lengths     Lengths   `json:"lengths"`
	Tokenizer   Tokenizer `json:"tokenizer"`
	Regions     Regions   `json:"regions"`
	// Alignment is one of AlignmentModes.
	Alignment string `json:"alignment"`
	Quirks    Quirks `json:"quirks"`
	// CLIP is the text tower whose vectors the encoders read in place of word pieces, if they do.
	CLIP *TextTower `json:"clip,omitempty"`
	// Towers says that the encoders are two towers which share nothing but the space of their vectors, as
	// those of CLIP and SigLIP.
	Towers *Towers `json:"towers,omitempty"`
	// Calibration says how scores of the model are read; nil where nobody measured it.
	Calibration *Calibration `json:"calibration,omitempty"`
	// Network describes the encoder for those who continue its training; the graphs do not need it.
	Network json.RawMessage `json:"network,omitempty"`
	// Training records how the model came about.
	Training json.RawMessage `json:"training,omitempty"`
	// Files lists all other files; Create fills it.
	Files map[string]File `json:"files"`
}

// Dims are vector sizes.
type Dims struct {
	Embed  int `json:"embed"`  // matching vectors and tokens
	Region int `json:"region"` // a region's features, as image.onnx takes them
}

// Lengths are the longest sequences, special tokens included; longer ones are cut.
type Lengths struct {
	Caption int `json:"caption"`
	Labels  int `json:"labels"`
	Regions int `json:"regions"`
}

// Tokenizer says how text becomes token ids.
type Tokenizer struct {
	Kind      string `json:"kind"` // WordPiece, CLIP, Unigram or BPE
	File      string `json:"file"` // vocabulary or merges
	Lowercase bool   `json:"lowercase"`
	// Options are what else the kind needs to know; bundle does not look into them.
	Options json.RawMessage `json:"options,omitempty"`
}

// Regions says where an image's regions come from.
type Regions struct {
	Kind string `json:"kind"` // Precomputed, ONNX, Patches, Segments or Pixels
	// Config is the region source's own, or says how a picture becomes Pixels; bundle does not look into it.
	Config json.RawMessage `json:"config,omitempty"`
}

// TextTower is that of CLIP in a bundle whose encoders read its vectors (ALADIN-2.0).
type TextTower struct {
	Tower  string `json:"tower"`  // file: an ONNX graph
	Merges string `json:"merges"` // file: its vocabulary
	// Captions is how many numbers the state of a caption's token has, Labels how many the vector of a
	// sentence about a label; 0 where word pieces are read.
	Captions int `json:"captions,omitempty"`
	Labels   int `json:"labels,omitempty"`
	// Aggregate makes one sentence of labels that repeat.
	Aggregate bool `json:"aggregate,omitempty"`
}

// Towers describe a model of two towers.
type Towers struct {
	Family string `json:"family"` // for people: "clip", "siglip"
	// FillUp: texts are filled up to Lengths.Caption, padding being part of what the text tower reads.
	FillUp bool `json:"fill_up,omitempty"`
	// Grid is the rows and columns of the cells of a picture whose vectors image.onnx gives, [0, 0] if it gives
	// none: then the model has no alignment.
	Grid [2]int `json:"grid"`
	// Untrained: nobody trained the vectors of words and cells to be compared. They show where something might
	// be, but rank nothing.
	Untrained bool `json:"untrained,omitempty"`
	// Global is what the vector of a text as a whole weighs in its alignment beside all words, which weigh 1 together;
	// the picture as a whole is one more cell then. 0: neither takes part. text.onnx then weighs words, as "weights".
	Global float32 `json:"global,omitempty"`
	// LogitScale and LogitBias make a logit of a cosine: scale·cosine + bias. A scale of 0 is not known.
	LogitScale float64 `json:"logit_scale,omitempty"`
	LogitBias  float64 `json:"logit_bias,omitempty"`
}

// Quirks are deviations that published checkpoints were trained with. The zero value is how our own
// models are.
type Quirks struct {
	// FirstLabelToken stands before an image's labels: "[CLS]" ("" means it), or "[UNK]" as the released
	// ALADIN code has it.
	FirstLabelToken string `json:"first_label_token,omitempty"`
	// DropLastPiece: a caption's last word piece has no part in the alignment. text.onnx gives it weight 0.
	DropLastPiece bool `json:"drop_last_piece,omitempty"`
	// NullRegion: image.onnx appends a region of zeros, so that no word's best similarity is negative.
	NullRegion bool `json:"null_region,omitempty"`
}

// File is what model.json says about a file.
type File struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// FirstToken is the token before an image's labels.
func (q Quirks) FirstToken() string {
	if q.FirstLabelToken == "" {
		return "[CLS]"
	}
	return q.FirstLabelToken
}

// Encodes says whether the bundle has its encoders; one without them is a skeleton.
func (m *Manifest) Encodes() bool {
	_, text := m.Files[TextFile]
	_, image := m.Files[ImageFile]
	return text || image
}

// Fingerprint is the model's name and a hash of all that decides its embeddings.
func (m *Manifest) Fingerprint() (string, error) {
	id := *m
	id.Description, id.Network, id.Training = "", nil, nil
	if m.Calibration != nil {
		id.Calibration = nil
		id.Files = maps.Clone(m.Files)
		maps.DeleteFunc(id.Files, func(name string, _ File) bool { return IsCalibration(name) })
		id.Format = id.needs()
	}
	b, err := id.encode()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return m.Name + "@" + hex.EncodeToString(sum[:16]), nil
}

// encode writes m in its one canonical form.
func (m *Manifest) encode() ([]byte, error) {
	c := *m
	for _, raw := range []*json.RawMessage{&c.Regions.Config, &c.Network, &c.Training, &c.Tokenizer.Options} {
		if len(*raw) == 0 {
			*raw = nil
			continue
		}
		b, err := canonical(*raw)
		if err != nil {
			return nil, err
		}
		*raw = b
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(&c); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// canonical sorts the keys of a JSON value and keeps its numbers as they are written.
func canonical(raw []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(buf.Bytes()), nil
}

// maxManifest bounds model.json; a real one has a few kilobytes.
const maxManifest = 4 << 20

// parse reads and checks model.json.
func parse(r io.Reader) (*Manifest, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxManifest {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrCorrupt, maxManifest)
	}
	// The version first: what else a newer file holds is not ours to judge.
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("%w: %w%s", ErrCorrupt, err, place(b, err))
	}
	if head.Format < MinVersion || head.Format > Version {
		return nil, fmt.Errorf("%w: version %d, this program reads %d to %d; use the release that wrote it, or train or import the model again",
			ErrVersion, head.Format, MinVersion, Version)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var m Manifest
	if err := dec.Decode(&m); err != nil {
		return nil, fmt.Errorf("%w: %w%s", ErrCorrupt, err, place(b, err))
	}
	if n := m.needs(); m.Format < n {
		return nil, fmt.Errorf("%w: format is %d, but what it says needs %d", ErrCorrupt, m.Format, n)
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return &m, nil
}

// place is the line of a JSON error, "" where it has none.
func place(b []byte, err error) string {
	offset := int64(-1)
	var syntax *json.SyntaxError
	var mistyped *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &mistyped):
		offset = mistyped.Offset
	}
	if offset < 0 || offset > int64(len(b)) {
		return ""
	}
	return fmt.Sprintf(" (line %d)", 1+bytes.Count(b[:offset], []byte("\n")))
}

var (
	goodName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$`)
	goodSum  = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

const maxDim, maxLength = 1 << 20, 1 << 16

// check holds the rules that both Open and Create apply.
func (m *Manifest) check() error {
	if !goodName.MatchString(m.Name) {
		return fmt.Errorf("name %.100q: letters, digits and . _ + - are allowed, at most 100", m.Name)
	}
	if err := m.checkFiles(); err != nil {
		return err
	}
	if m.Calibration != nil {
		if err := m.Calibration.check(); err != nil {
			return err
		}
		for name, needed := range map[string]bool{ReferencesFile: m.Calibration.Relevance != nil, LabelsFile: m.Calibration.LabelWeight > 0} {
			if _, ok := m.Files[name]; needed && !ok {
				return fmt.Errorf("there is no file %q, which the calibration needs", name)
			}
		}
	}
	if m.Towers != nil {
		return m.checkTowers()
	}
	if err := within("dims.region", m.Dims.Region, 1, maxDim); err != nil {
		return err
	}
	switch m.Regions.Kind {
	case Precomputed, Patches, Segments:
	case ONNX:
		if len(m.regionFiles()) == 0 {
			return fmt.Errorf("regions.kind is %q, but no file serves it (%s)", ONNX, RegionsFile)
		}
	default:
		return fmt.Errorf("regions.kind is %q; it must be %s, %s, %s or %s", m.Regions.Kind, Precomputed, ONNX, Patches, Segments)
	}
	if m.Encodes() {
		return m.checkEncoders()
	}
	return nil
}

// needs is the oldest format version that has what the model needs.
func (m *Manifest) needs() int {
	switch {
	case m.Calibration != nil:
		return 3
	case m.Towers != nil:
		return 2
	}
	return 1
}

// Aligns says whether the model compares words with regions.
func (m *Manifest) Aligns() bool { return m.Towers == nil || m.Towers.Grid != [2]int{} }

func (m *Manifest) checkTowers() error {
	t := m.Towers
	for _, name := range []string{TextFile, ImageFile, m.Tokenizer.File} {
		if _, ok := m.Files[name]; !ok {
			return fmt.Errorf("there is no file %q", name)
		}
	}
	switch {
	case m.Regions.Kind != Pixels:
		return fmt.Errorf("regions.kind is %q; that of a model with towers is %s", m.Regions.Kind, Pixels)
	case m.CLIP != nil:
		return errors.New("clip and towers exclude each other")
	case m.Aligns() && !slices.Contains(AlignmentModes, m.Alignment):
		return fmt.Errorf("alignment is %q; it must be one of %v", m.Alignment, AlignmentModes)
	case !m.Aligns() && m.Alignment != "":
		return fmt.Errorf("alignment is %q, but towers.grid is [0, 0]", m.Alignment)
	case !(t.Global >= 0 && t.Global < 1e6) || t.Global > 0 && !m.Aligns():
		return fmt.Errorf("towers.global is %v", t.Global)
	case t.LogitScale-t.LogitScale != 0 || t.LogitBias-t.LogitBias != 0:
		return errors.New("towers.logit_scale and towers.logit_bias must be finite")
	}
	if m.Aligns() {
		const most = 1 << 8
		for _, n := range t.Grid {
			if err := within("towers.grid", n, 1, most); err != nil {
				return err
			}
		}
	}
	return errors.Join(
		m.checkTokenizer(CLIP, Unigram, BPE),
		within("dims.embed", m.Dims.Embed, 1, maxDim),
		within("lengths.caption", m.Lengths.Caption, 3, maxLength),
	)
}

func (m *Manifest) checkTokenizer(kinds ...string) error {
	if !slices.Contains(kinds, m.Tokenizer.Kind) {
		return fmt.Errorf("tokenizer.kind is %q; it must be one of %v", m.Tokenizer.Kind, kinds)
	}
	return nil
}

// regionFiles are the files that are no encoder's: the region source's.
func (m *Manifest) regionFiles() []string {
	var names []string
	for name := range m.Files {
		own := name == m.Tokenizer.File || name == WordsFile || IsCalibration(name) || m.CLIP != nil && (name == m.CLIP.Tower || name == m.CLIP.Merges)
		for _, graph := range []string{TextFile, ImageFile, AlignFile} {
			own = own || name == graph || strings.HasPrefix(name, graph+".")
		}
		if !own {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (m *Manifest) checkFiles() error {
	for name, f := range m.Files {
		switch {
		case !goodName.MatchString(name) || name == ManifestFile:
			return fmt.Errorf("file name %q is not allowed", name)
		case f.Size < 0:
			return fmt.Errorf("file %s has size %d", name, f.Size)
		case !goodSum.MatchString(f.SHA256):
			return fmt.Errorf("file %s has the malformed sha256 %q", name, f.SHA256)
		}
	}
	return nil
}

func (m *Manifest) checkEncoders() error {
	for _, name := range []string{TextFile, ImageFile, AlignFile, m.Tokenizer.File} {
		if _, ok := m.Files[name]; !ok {
			return fmt.Errorf("there is no file %q", name)
		}
	}
	if err := m.checkTokenizer(WordPiece, CLIP); err != nil {
		return err
	}
	if !slices.Contains(AlignmentModes, m.Alignment) {
		return fmt.Errorf("alignment is %q; it must be one of %v", m.Alignment, AlignmentModes)
	}
	if t := m.Quirks.FirstToken(); t != "[CLS]" && t != "[UNK]" {
		return fmt.Errorf("quirks.first_label_token is %q; it must be [CLS] or [UNK]", t)
	}
	if c := m.CLIP; c != nil {
		for _, name := range []string{c.Tower, c.Merges} {
			if _, ok := m.Files[name]; !ok {
				return fmt.Errorf("there is no file %q, which clip names", name)
			}
		}
		if c.Captions < 0 || c.Labels < 0 || c.Captions+c.Labels == 0 || max(c.Captions, c.Labels) > maxDim {
			return fmt.Errorf("clip.captions and clip.labels are %d and %d; one must be from 1 to %d", c.Captions, c.Labels, maxDim)
		}
	}
	return errors.Join(
		within("dims.embed", m.Dims.Embed, 1, maxDim),
		within("lengths.caption", m.Lengths.Caption, 3, maxLength),
		within("lengths.labels", m.Lengths.Labels, 2, maxLength),
		within("lengths.regions", m.Lengths.Regions, 1, maxLength),
	)
}

func within(field string, v, low, high int) error {
	if v < low || v > high {
		return fmt.Errorf("%s is %d; it must lie in %d to %d", field, v, low, high)
	}
	return nil
}
