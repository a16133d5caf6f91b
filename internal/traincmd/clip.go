package traincmd

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/clip"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/published"
	"github.com/aladin-go/aladin/internal/tokenizer"
	"github.com/aladin-go/aladin/internal/training/model"
)

// clipFlags name CLIP's text tower, for models that read its vectors (ALADIN-2.0).
type clipFlags struct{ text, merges string }

func (c *clipFlags) register(f *cli.Flags) {
	f.StringVar(&c.text, "clip-text", "", "CLIP's text tower, an ONNX `file`, for models that read its vectors (default: the checkpoint's own)")
	f.StringVar(&c.merges, "clip-merges", "", "its vocabulary: the `file` bpe_simple_vocab_16e6.txt.gz, or merges.txt")
}

func (c *clipFlags) given() bool { return c.text != "" || c.merges != "" }

// attach gives a model the tower that the flags name, or that of the checkpoint p (if not nil).
func (c *clipFlags) attach(m *model.Model, p *published.Model) error {
	if c.merges == "" {
		return cli.Misuse("the model reads vectors of CLIP's text tower: give its vocabulary with --clip-merges")
	}
	tok, err := tokenizer.LoadCLIP(c.merges)
	if err != nil {
		return err
	}
	aggregate := p != nil && p.Aggregate
	if c.text != "" {
		// Loaded from memory: a file whose weights lie in another is found out here, not in the bundle.
		tower := clip.New(tok, func(o *ort.Options) (*ort.Session, error) {
			graph, err := os.ReadFile(c.text)
			if err != nil {
				return nil, err
			}
			s, err := ort.Load(graph, o)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.text, err)
			}
			return s, nil
		})
		m.AttachCLIP(tower, aggregate, bundle.FromFile(c.text), tok.WriteMerges)
		return nil
	}
	if p == nil {
		return cli.Misuse("--clip-text is missing: CLIP's text tower as an ONNX file")
	}
	if _, ok, _ := p.CLIP("token_embedding.weight"); !ok {
		return cli.Misuse("the checkpoint holds no weights of CLIP: give its text tower with --clip-text")
	}
	model, err := clip.Graph(p.CLIP)
	if err != nil {
		return err
	}
	graph := model.Marshal() // the checkpoint may be closed before the tower is used
	tower := clip.New(tok, func(o *ort.Options) (*ort.Session, error) { return ort.Load(graph, o) })
	m.AttachCLIP(tower, aggregate, func(w io.Writer) error { _, err := w.Write(graph); return err }, tok.WriteMerges)
	return nil
}

// imported gives an imported model its tower, and a remark where that is not the one it was trained with.
func (c *clipFlags) imported(ctx context.Context, m *model.Model, p *published.Model) (note string, err error) {
	if p.Net.CLIPCaptions == 0 && p.Net.CLIPLabels == 0 {
		if c.given() {
			return "", cli.Misuse("--clip-text and --clip-merges are for models that read CLIP's vectors; this one reads word pieces")
		}
		return "", nil
	}
	if err := c.attach(m, p); err != nil || c.text == "" {
		return "", err
	}
	tower := m.Text.CLIP.Tower
	defer tower.Close()
	sentence, token, err := tower.Dims(ctx)
	if err != nil {
		return "", err
	}
	if n := p.Net.CLIPLabels; n > 0 && n != sentence {
		return "", fmt.Errorf("%w: %s gives %d numbers a sentence, the model reads %d", clip.ErrTower, c.text, sentence, n)
	}
	if n := p.Net.CLIPCaptions; n > 0 && n != token {
		return "", fmt.Errorf("%w: %s gives %d numbers a token, the model reads %d", clip.ErrTower, c.text, token, n)
	}
	if joined, err := tower.Joined(ctx); err != nil || joined || p.Net.CLIPCaptions == 0 {
		return "", err
	}
	return c.text + ": a sentence's vector is not the state of its end token, as it is in the released code: captions may come out otherwise", nil
}
