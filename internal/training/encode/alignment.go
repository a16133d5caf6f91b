package encode

import (
	"context"
	"slices"
	"sync"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/progress"
)

// releasedRows is what the released evaluation pads both sides to.
const releasedRows = 71

// CompileScores compiles the alignment head's scores of encoded images and captions.
func CompileScores(net nn.Config, threads int, device string) (*ort.Session, error) {
	b := onnx.NewBuilder()
	n, err := nn.New(b, net, &nn.Inputs{})
	if err != nil {
		return nil, err
	}
	side := func(name, count, rows string) nn.Side {
		return nn.Side{Tokens: b.Input(name, onnx.Float, onnx.Of(count, rows, net.Hidden)), Weights: b.Input(name+"_weights", onnx.Float, onnx.Of(count, rows))}
	}
	pad := 0
	if net.ReleasedAlignment {
		pad = releasedRows
	}
	b.Output("scores", n.Scores(side("regions", "I", "R"), side("words", "C", "W"), pad))
	if err := n.Err(); err != nil {
		return nil, err
	}
	m, err := b.Model("aladin alignment scores")
	if err != nil {
		return nil, err
	}
	return ort.Load(m.Marshal(), &ort.Options{Threads: threads, Device: device})
}

// Scores is the Scores of the alignment head, a block of captions at a time.
type Scores struct {
	Session          *ort.Session
	Ctx              context.Context
	Images, Captions *Side // with shares both or neither
	Progress         func(done, total int)
	mu               sync.Mutex
	done             int
}

// Dims implements eval.Scores.
func (a *Scores) Dims() (images, captions int) {
	return len(a.Images.Tokens), len(a.Captions.Tokens)
}

// How many images one run scores against how many captions.
const alignImages, alignCaptions = 16, 128

// Rows implements eval.Scores.
func (a *Scores) Rows(images []int, dst []float32) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	type block struct{ regions, weights *ort.Tensor }
	var blocks []block
	for part := range slices.Chunk(images, alignImages) {
		regions, weights := a.Images.block(part)
		blocks = append(blocks, block{regions, weights})
	}
	n, m := a.Dims()
	for from := 0; from < m; from += alignCaptions {
		list := make([]int, 0, alignCaptions)
		for c := from; c < min(from+alignCaptions, m); c++ {
			list = append(list, c)
		}
		words, weights := a.Captions.block(list)
		for b, in := range blocks {
			out, err := a.Session.Run(a.Ctx, map[string]*ort.Tensor{"regions": in.regions, "regions_weights": in.weights, "words": words, "words_weights": weights})
			if err != nil {
				return err
			}
			s := out["scores"].Float32()
			for i := b * alignImages; i < min((b+1)*alignImages, len(images)); i++ {
				row := dst[i*m+from:][:len(list)]
				copy(row, s[(i-b*alignImages)*len(list):])
				if a.Captions.Shares != nil {
					for j, c := range list {
						row[j] *= a.Images.Shares[images[i]] * a.Captions.Shares[c]
					}
				}
			}
		}
	}
	a.done += len(images)
	progress.Tell(a.Progress, a.done, n)
	return nil
}

// block is some items' tokens, padded to the longest.
func (e *Side) block(items []int) (tokens, weights *ort.Tensor) {
	rows := 1
	for _, i := range items {
		rows = max(rows, len(e.Weights[i]))
	}
	t, w := make([]float32, len(items)*rows*e.Dim), make([]float32, len(items)*rows)
	for k, i := range items {
		copy(t[k*rows*e.Dim:], e.Tokens[i])
		copy(w[k*rows:], e.Weights[i])
	}
	shape := []int64{int64(len(items)), int64(rows)}
	return ort.Float32(append(shape, int64(e.Dim)), t), ort.Float32(shape, w)
}
