package train

import (
	"github.com/aladin-go/aladin/internal/training/model"
)

// A Model is a network with its parameters and its vocabulary. A Run trains it in place.
type Model struct {
	model *model.Model
	fresh bool
}

// NewModel makes a network that starts from scratch: in the shape that the configuration gives, with a WordPiece
// vocabulary of the data's captions, for regions of as many features as the data's have.
func NewModel(name string, cfg *Config, data *Data) (*Model, error) {
	d := data.internal()
	if err := d.Check(); err != nil {
		return nil, err
	}
	m, err := model.New(name, cfg.config, model.Vocabulary(cfg.config, d.Texts()), d.Images.Dim())
	if err != nil {
		return nil, err
	}
	return &Model{m, true}, nil
}

// LoadModel opens a bundle, to train its model further or to imitate it. The run's configuration decides what its heads
// are; parameters that the bundle lacks start from scratch.
func LoadModel(dir string) (*Model, error) {
	m, err := model.Load(dir)
	if err != nil {
		return nil, err
	}
	return &Model{m, false}, nil
}
