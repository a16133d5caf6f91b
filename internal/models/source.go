package models

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/hub"
	"github.com/aladin-go/aladin/internal/preprocess"
	"github.com/aladin-go/aladin/internal/tokenizer"
	"github.com/aladin-go/aladin/internal/towers"
)

// A Family is what a model's towers have in common.
type Family string

// Families of models.
const (
	CLIP   Family = "clip"
	SigLIP Family = "siglip"
)

// A Source is a model that was found in a folder.
type Source struct {
	Dir     string
	Layout  string // for people: whose files they are
	Family  Family
	Licence string   // "" if the folder says nothing
	Used    []string // files
	Ignored []string // files
	Notes   []string

	LogitScale, LogitBias float64 // of the training; the scale is 0 where it is not known

	words  words
	pixels *preprocess.Config

	// Towers as graphs.
	pair       *pair
	pairLength int // of texts, as the configuration has it

	// Towers as weights.
	store                     *store
	text                      *towers.Text
	image                     *towers.Image
	textWeights, imageWeights towers.Weights
}

// Open recognises the model in a folder, or that of a file, with what lies beside it.
func Open(path string) (*Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSource, err)
	}
	s := &Source{Dir: path}
	file := ""
	if !info.IsDir() {
		s.Dir, file = filepath.Dir(path), path
		if strings.HasSuffix(file, ".onnx") && slices.Contains(onnxFolders, filepath.Base(s.Dir)) {
			s.Dir = filepath.Dir(s.Dir) // where the configuration is
		}
	}
	if err := s.open(file); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), s.Close())
	}
	s.Licence = hub.ReadLicence(s.Dir).String()
	s.ignore()
	return s, nil
}

// open finds out what the folder holds; file, if not "", is the file of weights in it that is wanted.
func (s *Source) open(file string) error {
	var config hfConfig
	if s.exists("config.json") {
		if err := readJSON(s.path("config.json"), &config); err != nil {
			return err
		}
	}
	if config.ModelType != "" && !strings.HasSuffix(file, ".onnx") {
		weights := file
		if weights == "" {
			weights = s.first(hfWeights...)
		}
		if weights != "" {
			s.use(s.path("config.json"))
			if err := s.openHF(&config, weights); err != nil {
				return err
			}
			return s.hfExtras()
		}
	}
	if s.exists("open_clip_config.json") {
		weights := file
		if weights == "" {
			weights = s.first(openWeights...)
		}
		if weights != "" {
			s.use(s.path("open_clip_config.json"))
			return s.openOpenCLIP(s.path("open_clip_config.json"), weights)
		}
	}
	if file == "" || strings.HasSuffix(file, ".onnx") {
		if p, err := s.findPair(file); err != nil {
			return err
		} else if p != nil {
			return s.openPair(p, &config)
		}
	}
	if config.ModelType != "" && file == "" {
		return fmt.Errorf("%w: config.json describes a model of type %q, but there are no weights (%s), and no ONNX graphs", ErrSource, config.ModelType, strings.Join(hfWeights, ", "))
	}
	return fmt.Errorf("%w: there is neither Hugging Face's config.json with weights, nor OpenCLIP's open_clip_config.json, nor a pair of ONNX files", ErrSource)
}

// hfExtras reads what lies beside the weights in a folder of Hugging Face's.
func (s *Source) hfExtras() (err error) {
	if err := s.readPixels(s.path("preprocessor_config.json"), preprocess.HuggingFace); err != nil {
		return err
	}
	text, _, err := s.sizes()
	if err != nil {
		return err
	}
	return s.readTokenizer(".", tokenizer.ImportOptions{SigLIP: s.Family == SigLIP, Size: text.Vocabulary})
}

// readPixels reads how pictures become pixels from a file.
func (s *Source) readPixels(path string, read func([]byte) (*preprocess.Config, error)) error {
	b, err := readHead(path, maxJSON)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: there is no %s, which says how pictures become pixels", ErrConfig, filepath.Base(path))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if s.pixels, err = read(b); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrConfig, path, err)
	}
	s.use(path)
	if w, h := s.pixels.Size(); s.image != nil && s.image.Size != [2]int{h, w} {
		return fmt.Errorf("%w: %s makes pictures of %d×%d, the image tower reads %d×%d", ErrConfig, path, h, w, s.image.Size[0], s.image.Size[1])
	}
	return nil
}

// Name is the folder's.
func (s *Source) Name() string {
	dir, err := filepath.Abs(s.Dir)
	if err != nil {
		dir = s.Dir
	}
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._+-", r) {
			return r
		}
		return '-'
	}, filepath.Base(dir))
	if name = strings.TrimLeft(name, "._+-"); name == "" {
		return "model"
	}
	return name[:min(len(name), 100)]
}

// Close unmaps the model's files.
func (s *Source) Close() error {
	var errs []error
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	if s.pair != nil {
		errs = append(errs, s.pair.Close())
	}
	return errors.Join(errs...)
}

func (s *Source) path(name string) string { return filepath.Join(s.Dir, filepath.FromSlash(name)) }

func (s *Source) exists(name string) bool {
	info, err := os.Stat(s.path(name))
	return err == nil && info.Mode().IsRegular()
}

// first is the path of the first of the files that is there, or "".
func (s *Source) first(names ...string) string {
	for _, n := range names {
		if s.exists(n) {
			return s.path(n)
		}
	}
	return ""
}

// use notes that a file was read.
func (s *Source) use(path string) {
	if rel, err := filepath.Rel(s.Dir, path); err == nil {
		path = filepath.ToSlash(rel)
	}
	if !slices.Contains(s.Used, path) {
		s.Used = append(s.Used, path)
	}
}

// ignore notes the files that were not used.
func (s *Source) ignore() {
	if s.store != nil {
		for _, f := range s.store.files {
			s.use(f)
		}
	}
	slices.Sort(s.Used)
	const most = 1000
	_ = filepath.WalkDir(s.Dir, func(p string, d fs.DirEntry, err error) error {
		rel, relErr := filepath.Rel(s.Dir, p)
		rel = filepath.ToSlash(rel)
		switch {
		case len(s.Ignored) >= most:
			return filepath.SkipAll
		case err != nil || relErr != nil:
			return filepath.SkipDir
		case d.IsDir():
			if strings.HasPrefix(d.Name(), ".") && p != s.Dir || strings.Contains(rel, "/") { // it may be a home, not a model's folder
				return filepath.SkipDir
			}
		case !slices.Contains(s.Used, rel):
			s.Ignored = append(s.Ignored, rel)
		}
		return nil
	})
}

// sizes are those of both towers, which must share a space.
func (s *Source) sizes() (t towers.TextSizes, i towers.ImageSizes, err error) {
	if t, err = s.text.Sizes(s.textWeights); err != nil {
		return t, i, fmt.Errorf("text tower: %w", err)
	}
	if i, err = s.image.Sizes(s.imageWeights); err != nil {
		return t, i, fmt.Errorf("image tower: %w", err)
	}
	if t.Embed != i.Embed {
		return t, i, fmt.Errorf("%w: the text tower gives %d numbers, the image tower %d", ErrWeights, t.Embed, i.Embed)
	}
	return t, i, nil
}
