package train

import (
	"context"
	"sync"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
)

// releasedRows is what the released evaluation pads both sides to.
const releasedRows = 71

// alignmentScores compiles the alignment head's scores of encoded images and captions.
func alignmentScores(net nn.Config, threads int, device string) (*ort.Session, error) {
	b := onnx.NewBuilder()
	n, err := nn.New(b, net, &inputParams{})
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

// alignment is the Scores of the alignment head, a block of captions at a time.
type alignment struct {
	scores           *ort.Session
	ctx              context.Context
	images, captions *encoded // with shares both or neither
	progress         func(done, total int)
	mu               sync.Mutex
	done             int
}

// Dims implements eval.Scores.
func (a *alignment) Dims() (images, captions int) {
	return len(a.images.tokens), len(a.captions.tokens)
}

// alignBlock is how many captions one run scores against a block of images.
const alignBlock = 128

// Rows implements eval.Scores.
func (a *alignment) Rows(images []int, dst []float32) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	n, m := a.Dims()
	const some = 16 // images a run
	for i := 0; i < len(images); i += some {
		part := images[i:min(i+some, len(images))]
		regions, rw := a.images.block(part)
		for from := 0; from < m; from += alignBlock {
			list := make([]int, 0, alignBlock)
			for c := from; c < min(from+alignBlock, m); c++ {
				list = append(list, c)
			}
			words, ww := a.captions.block(list)
			out, err := a.scores.Run(a.ctx, map[string]*ort.Tensor{"regions": regions, "regions_weights": rw, "words": words, "words_weights": ww})
			if err != nil {
				return err
			}
			s := out["scores"].Float32()
			for k := range part {
				row := dst[(i+k)*m+from:][:len(list)]
				copy(row, s[k*len(list):])
				if a.captions.shares != nil {
					for j, c := range list {
						row[j] *= a.images.shares[part[k]] * a.captions.shares[c]
					}
				}
			}
		}
		a.done += len(part)
		tell(a.progress, a.done, n)
	}
	return nil
}

// block is some items' tokens, padded to the longest.
func (e *encoded) block(items []int) (tokens, weights *ort.Tensor) {
	rows := 1
	for _, i := range items {
		rows = max(rows, len(e.weights[i]))
	}
	t, w := make([]float32, len(items)*rows*e.dim), make([]float32, len(items)*rows)
	for k, i := range items {
		copy(t[k*rows*e.dim:], e.tokens[i])
		copy(w[k*rows:], e.weights[i])
	}
	shape := []int64{int64(len(items)), int64(rows)}
	return ort.Float32(append(shape, int64(e.dim)), t), ort.Float32(shape, w)
}
