package towers

import (
	"math"
	"slices"

	"github.com/aladin-go/aladin/internal/onnx"
)

// An ImagePool says what stands for a picture.
type ImagePool string

// How pictures are pooled.
const (
	PoolClass ImagePool = "class" // the class token
	PoolMean  ImagePool = "mean"  // the mean of the patches, then the last norm
	PoolProbe ImagePool = "probe" // a head that attends to the patches
)

// Image is an image tower: a vision transformer (Dosovitskiy et al., ICLR 2021).
type Image struct {
	Transformer
	Size [2]int // height and width of the picture in pixels
	Pool ImagePool
}

// ImageOutputs are what the graph of an image tower can give; see [TextOutputs].
var ImageOutputs = []string{Matching, Tokens, "image_embeds", "patch_states", "patch_embeds"}

// ImageSizes are those of an image tower's weights.
type ImageSizes struct {
	Patch, Width, Embed int
	Rows, Cols          int // of the patches
	Class               bool
	Grid                [2]int // rows and columns of the cells whose vectors are the tokens
}

// Sizes reads the sizes off the weights.
func (t Image) Sizes(w Weights) (s ImageSizes, err error) {
	g := newGraph(w, nil, F32)
	patches := g.shape("patches.w", 0, 3, 0, 0)
	s.Width, s.Patch, s.Class = patches[0], patches[2], g.has("class.w")
	if patches[3] != s.Patch {
		g.fail(ErrUnsupported, "patches of %d×%d", patches[2], patches[3])
	}
	const most = 1 << 14
	if t.Size[0] < s.Patch || t.Size[1] < s.Patch || max(t.Size[0], t.Size[1]) > most {
		g.fail(ErrWeights, "pictures of %d×%d for patches of %d", t.Size[0], t.Size[1], s.Patch)
		return s, g.err
	}
	s.Rows, s.Cols = t.Size[0]/s.Patch, t.Size[1]/s.Patch
	places := s.Rows * s.Cols
	if s.Class {
		places++
	}
	if n := g.shape("positions.w", 0, s.Width)[0]; n != places && g.err == nil {
		g.fail(ErrWeights, "%d positions where a picture of %d×%d has %d patches and the class token makes %d", n, t.Size[0], t.Size[1], s.Rows*s.Cols, places)
	}
	if s.Embed = s.Width; g.has("proj.w") {
		s.Embed = g.shape("proj.w", 0, s.Width)[0]
	}
	s.Grid = [2]int{cells(s.Rows), cells(s.Cols)}
	return s, g.err
}

// Square are the sizes of pictures of n patches, which must be a square number.
func Square(n int) (s ImageSizes, ok bool) {
	side := int(math.Round(math.Sqrt(float64(n))))
	s.Rows, s.Cols = side, side
	s.Grid = [2]int{cells(side), cells(side)}
	return s, side > 0 && side*side == n
}

// cells is how many cells a side of n patches is read as: few enough to be kept for every picture.
func cells(n int) int {
	const least, most, usual = 5, 8, 7
	if n <= most {
		return n
	}
	for c := most; c >= least; c-- {
		if n%c == 0 {
			return c
		}
	}
	return usual
}

// Graph makes the tower. Values of larger weights go to data, or stay in the model where that is nil.
func (t Image) Graph(w Weights, data *onnx.DataFile, p Precision, outputs ...string) (*onnx.Model, error) {
	s, err := t.Sizes(w)
	if err != nil {
		return nil, err
	}
	g := newGraph(w, data, p)
	t.check(g, s.Width)
	b := g.b
	pixels := b.Input("pixels", onnx.Float, onnx.Of("B", 3, t.Size[0], t.Size[1]))
	n, count := pixels.Shape[0], onnx.D(s.Rows*s.Cols)
	x := b.Add(t.tokens(g, pixels, s), g.get("positions.w", 0, s.Width))
	length := x.Shape[1]
	x = b.Reshape(x, n.Mul(length), onnx.D(s.Width))
	if g.has("pre.w") {
		x = g.norm(x, "pre", s.Width, t.Eps)
	}
	x = t.blocks(g, x, n, length, s.Width, nil)
	last := func(x *onnx.Value) *onnx.Value {
		if g.has("norm.w") {
			return g.norm(x, "norm", s.Width, t.Eps)
		}
		return x
	}
	states := b.Reshape(x, n, length, onnx.D(s.Width))
	patches := func() *onnx.Value { // [B·P, W], normalised
		only := states
		if s.Class {
			only = b.Slice(states, 1, 1, int64(s.Rows*s.Cols+1), count)
		}
		return last(b.Reshape(only, n.Mul(count), onnx.D(s.Width)))
	}
	var embeds *onnx.Value
	local := func() *onnx.Value { return g.project(patches(), s.Width, s.Embed) } // [B·P, D]
	switch {
	case t.Pool == PoolClass && s.Class:
		class := b.Reshape(b.Slice(states, 1, 0, 1, onnx.D(1)), n, onnx.D(s.Width))
		embeds = g.project(last(class), s.Width, s.Embed)
	case t.Pool == PoolMean:
		only := states
		if s.Class {
			only = b.Slice(states, 1, 1, int64(s.Rows*s.Cols+1), count)
		}
		embeds = g.project(last(b.ReduceMean(only, false, 1)), s.Width, s.Embed)
	case t.Pool == PoolProbe && !s.Class:
		x = last(x)
		states = b.Reshape(x, n, length, onnx.D(s.Width))
		embeds = g.project(t.probe(g, x, n, length, s.Width), s.Width, s.Embed)
		local = func() *onnx.Value { return g.project(t.alone(g, x, s.Width), s.Width, s.Embed) }
	default:
		g.fail(ErrUnsupported, "pooling %q with a class token: %v", t.Pool, s.Class)
		embeds = x
	}
	give := func(name string, value func() *onnx.Value) {
		if slices.Contains(outputs, name) {
			b.Output(name, value())
		}
	}
	grid := func() *onnx.Value { return b.Reshape(local(), n, count, onnx.D(s.Embed)) }
	give(Matching, func() *onnx.Value { return b.L2Normalize(embeds, tiny) })
	give(Tokens, func() *onnx.Value { return b.L2Normalize(g.pool(grid(), s), tiny) })
	give("image_embeds", func() *onnx.Value { return embeds })
	give("patch_states", func() *onnx.Value { return states })
	give("patch_embeds", grid)
	return g.model("image")
}

// tokens makes the patches of pictures [B, 3, H, W] tokens [B, N, W], the class token first. The convolution
// of the patches is a product of matrices, since they do not overlap.
func (t Image) tokens(g *graph, pixels *onnx.Value, s ImageSizes) *onnx.Value {
	b, p, d := g.b, s.Patch, onnx.D
	n := pixels.Shape[0]
	if h, w := s.Rows*p, s.Cols*p; h != t.Size[0] || w != t.Size[1] { // what is left at the edges is not seen
		pixels = b.Slice(b.Slice(pixels, 2, 0, int64(h), d(h)), 3, 0, int64(w), d(w))
	}
	x := b.Transpose(b.Reshape(pixels, n, d(3), d(s.Rows), d(p), d(s.Cols), d(p)), 0, 2, 4, 1, 3, 5)
	x = b.Reshape(x, n.Mul(d(s.Rows*s.Cols)), d(3*p*p))
	flat := *g.w.Find("patches.w")
	flat.Shape = []int{s.Width, 3 * p * p}
	var bias *onnx.Value
	if g.has("patches.b") {
		bias = g.get("patches.b", s.Width)
	}
	x = b.Reshape(b.Gemm(x, g.constant("patches.w", &flat), bias, false, true), n, d(s.Rows*s.Cols), d(s.Width))
	if !s.Class {
		return x
	}
	class := b.Expand(b.Reshape(g.get("class.w", s.Width), d(1), d(1), d(s.Width)), n, d(1), d(s.Width))
	return b.Concat(1, class, x)
}

// probe attends to the patches x [B·P, W] with one learned query and gives [B, W].
func (t Image) probe(g *graph, x *onnx.Value, n, count onnx.Dim, width int) *onnx.Value {
	b := g.b
	query := b.Reshape(g.get("pool.probe.w", width), onnx.D(1), onnx.D(width))
	q := b.Expand(g.linear(query, "pool.q", width, width), n, onnx.D(width))
	kv := g.linear(x, "pool.kv", width, 2*width)
	k := b.Slice(kv, 1, 0, int64(width), onnx.D(width))
	v := b.Slice(kv, 1, int64(width), int64(2*width), onnx.D(width))
	return t.pooled(g, t.attend(g, q, k, v, n, onnx.D(1), count, width, nil), width)
}

// alone is what the head makes of each patch as if it saw no other.
func (t Image) alone(g *graph, x *onnx.Value, width int) *onnx.Value {
	kv := g.linear(x, "pool.kv", width, 2*width)
	return t.pooled(g, g.b.Slice(kv, 1, int64(width), int64(2*width), onnx.D(width)), width)
}

func (t Image) pooled(g *graph, mixed *onnx.Value, width int) *onnx.Value {
	o := g.linear(mixed, "pool.out", width, width)
	return g.b.Add(o, t.feedForward(g, g.norm(o, "pool.norm", width, t.Eps), "pool.", width))
}

// pool averages the patches of each cell of the grid: [B, P, D] → [B, cells, D].
func (g *graph) pool(x *onnx.Value, s ImageSizes) *onnx.Value {
	share := s.share()
	if share == nil {
		return x
	}
	return g.b.MatMul(g.b.Weights("cells", share, s.Grid[0]*s.Grid[1], s.Rows*s.Cols), x)
}

// share is what each patch contributes to each cell: [cells, P]; nil where they are the same.
func (s ImageSizes) share() []float32 {
	rows, cols := s.Grid[0], s.Grid[1]
	if rows == s.Rows && cols == s.Cols {
		return nil
	}
	share := make([]float32, rows*cols*s.Rows*s.Cols)
	for r := range rows {
		top, bottom := span(r, rows, s.Rows)
		for c := range cols {
			left, right := span(c, cols, s.Cols)
			of := share[(r*cols+c)*s.Rows*s.Cols:]
			for y := top; y < bottom; y++ {
				for z := left; z < right; z++ {
					of[y*s.Cols+z] = 1 / float32((bottom-top)*(right-left))
				}
			}
		}
	}
	return share
}

// span is which of n patches cell i of m covers; neighbours share a patch where they do not divide.
func span(i, m, n int) (from, to int) {
	return i * n / m, int(math.Ceil(float64((i+1)*n) / float64(m)))
}
