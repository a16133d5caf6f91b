package start

import (
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/parallel"
	"github.com/aladin-go/aladin/internal/progress"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/param"
)

// Pooled is what the start looks at: the mean region of each image (view 0).
type Pooled struct {
	x   *mat.Dense // images × F, standardised
	dim int
}

// Measure takes the mean and deviation of every region feature over the data, and every image's mean
// region. A sample of the images is enough for large data.
func Measure(ctx context.Context, images dataset.Images, maxRegions int, observe func(done, total int)) (mean, scale []float32, p *Pooled, err error) {
	n, f := images.Len(), images.Dim()
	p = &Pooled{x: mat.NewDense(n, f, nil), dim: f}
	sums, squares := make([]float64, f), make([]float64, f)
	total := 0
	for i := range n {
		if err := ctx.Err(); err != nil {
			return nil, nil, nil, err
		}
		set, err := images.Load(ctx, i, 0)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("image %s: %w", images.ID(i), err)
		}
		rows := set.Len()
		if maxRegions > 0 {
			rows = min(rows, maxRegions)
		}
		row := p.x.RawRowView(i)
		for r := range rows {
			for k, v := range set.Row(r) {
				x := float64(v)
				row[k] += x / float64(rows)
				sums[k] += x
				squares[k] += x * x
			}
		}
		total += rows
		progress.Tell(observe, i+1, n)
	}
	mean, scale = make([]float32, f), make([]float32, f)
	for k := range f {
		m := sums[k] / float64(total)
		dev := math.Sqrt(max(squares[k]/float64(total)-m*m, 0))
		mean[k], scale[k] = float32(m), 1
		if dev > 1e-6 {
			scale[k] = float32(1 / dev)
		}
	}
	for i := range n {
		row := p.x.RawRowView(i)
		for k := range row {
			row[k] = (row[k] - float64(mean[k])) * float64(scale[k])
		}
	}
	return mean, scale, p, nil
}

// FromCCA sets word and region embeddings to the directions of a regularised canonical correlation
// analysis (Hotelling 1936; regularised as by Hardoon, Szedmak and Shawe-Taylor, 2004) between the mean
// regions of images and the tf-idf vectors of their captions: words and regions that go together start
// close to each other.
func FromCCA(ctx context.Context, cfg *config.Config, net nn.Config, params *param.Set, text input.Text, data *dataset.Data, p *Pooled) error {
	n, f, d := p.x.RawMatrix().Rows, p.dim, net.Hidden
	words, ids, idf := captionWords(data, text, n)
	v := len(ids)
	e := &cfg.Encoder

	// Centre both sides.
	xm := make([]float64, f)
	for i := range n {
		for k, x := range p.x.RawRowView(i) {
			xm[k] += x / float64(n)
		}
	}
	for i := range n {
		row := p.x.RawRowView(i)
		for k := range row {
			row[k] -= xm[k]
		}
	}
	var cxx mat.SymDense
	cxx.SymOuterK(1/float64(n), p.x.T())
	cxy, cyy := crossCovariance(p.x, words, v)
	ridge(&cxx, e.CCARidge)
	ridge(cyy, e.CCARidge)

	var lx, ly mat.Cholesky
	if !lx.Factorize(&cxx) || !ly.Factorize(cyy) {
		return fmt.Errorf("%w: the data's covariance is singular; raise encoder.cca-ridge", dataset.ErrData)
	}
	var ux, uy mat.TriDense
	lx.UTo(&ux)
	ly.UTo(&uy)
	// T = Ly⁻¹ Cyx Lx⁻ᵀ; its singular vectors are the whitened directions, its singular values the
	// correlations.
	t := mat.DenseCopyOf(cxy.T())
	forward(&uy, t)
	t = mat.DenseCopyOf(t.T())
	forward(&ux, t)
	t = mat.DenseCopyOf(t.T()) // words × features
	u, wv, s, err := leading(ctx, t, d)
	if err != nil {
		return err
	}
	// Unwhitened: a of words, b of features.
	backward(&uy, u)
	backward(&ux, wv)
	a, b := u, wv
	for j, c := range s {
		w := math.Pow(c, e.CCAPower)
		for i := range v {
			a.Set(i, j, a.At(i, j)*w*idf[i])
		}
		for i := range f {
			b.Set(i, j, b.At(i, j)*w)
		}
	}
	// Lengths: the words of a caption and the mean region of an image as long as start-norm asks.
	ta, tb := rms(a), projected(p.x, b)
	table, region := params.Lookup(nn.WordEmbeddings), params.Lookup(nn.RegionEmbeddings)
	scale := e.StartNorm * math.Sqrt(float64(d)) * 0.05
	clear(table.Data) // pieces that no caption has start as nothing
	startGates(params.Lookup(nn.WordGateTable), ids, a, ta)
	for i, id := range ids {
		for j := range min(d, len(s)) {
			table.Data[id*d+j] = float32(a.At(i, j) * scale / ta)
		}
	}
	for j := range min(d, len(s)) {
		for i := range f {
			region.Data[j*f+i] = float32(b.At(i, j) * scale / tb)
		}
	}
	return nil
}

// startGates makes words count in the alignment score as much as the analysis makes of them: by the
// length of their vector, relative to the root mean square ta.
func startGates(gates *param.Tensor, ids []int, a *mat.Dense, ta float64) {
	if gates == nil {
		return
	}
	_, d := a.Dims()
	for i, id := range ids {
		var sum float64
		for j := range d {
			sum += a.At(i, j) * a.At(i, j)
		}
		g := max(math.Sqrt(sum)/ta, 0.02)
		// The inverse of the gate's softplus, less its offset log(e−1).
		gates.Data[id] = float32(math.Log(math.Expm1(g)) - math.Log(math.E-1))
	}
}

// startWords is how many pieces, the most frequent, the analysis looks at: its cost grows with the cube.
const startWords = 2500

// captionWords counts the pieces of each image's captions, weighted by idf (the logarithm of one plus the
// share of images without them, inverted). Columns are the most frequent pieces, ids their numbers.
func captionWords(data *dataset.Data, text input.Text, images int) (words []map[int]float64, ids []int, idf []float64) {
	words = make([]map[int]float64, images)
	df := make([]int, text.Tokenizer.Size())
	captions := make([]float64, images)
	described := 0
	for _, c := range data.Captions {
		if words[c.Image] == nil {
			words[c.Image] = map[int]float64{}
			described++
		}
		captions[c.Image]++
		seq := text.Caption(c.Text).IDs
		for _, id := range seq[1 : len(seq)-1] {
			if words[c.Image][int(id)]++; words[c.Image][int(id)] == 1 {
				df[id]++
			}
		}
	}
	for id, k := range df {
		if k > 0 {
			ids = append(ids, id)
		}
	}
	slices.SortStableFunc(ids, func(a, b int) int { return df[b] - df[a] })
	ids = ids[:min(len(ids), startWords)]
	column := map[int]int{}
	idf = make([]float64, len(ids))
	for k, id := range ids {
		column[id] = k
		idf[k] = math.Log(1 + float64(described)/float64(df[id]))
	}
	for i, ws := range words {
		columns := make(map[int]float64, len(ws))
		for id, w := range ws {
			if k, ok := column[id]; ok {
				columns[k] = w * idf[k] / captions[i]
			}
		}
		words[i] = columns
	}
	return words, ids, idf
}

// crossCovariance of the centred regions with the sparse words, and the words' own, both centred.
func crossCovariance(x *mat.Dense, words []map[int]float64, v int) (*mat.Dense, *mat.SymDense) {
	n, f := x.Dims()
	cxy, cyy := mat.NewDense(f, v, nil), mat.NewSymDense(v, nil)
	mean := make([]float64, v)
	byWord := make([][]struct {
		image int
		w     float64
	}, v)
	for i, ws := range words {
		for id, w := range ws {
			mean[id] += w / float64(n)
			byWord[id] = append(byWord[id], struct {
				image int
				w     float64
			}{i, w})
		}
	}
	// x is centred, so the words' mean cancels in cxy.
	columns := mat.NewDense(v, f, nil)
	parallel.For(v, func(id int) {
		row := columns.RawRowView(id)
		for _, e := range byWord[id] {
			for k, xv := range x.RawRowView(e.image) {
				row[k] += e.w * xv / float64(n)
			}
		}
	})
	cxy.Copy(columns.T())
	raw := cyy.RawSymmetric()
	parallel.For(v, func(id int) {
		row := raw.Data[id*raw.Stride:][:v]
		for _, e := range byWord[id] {
			for other, w := range words[e.image] {
				if other >= id {
					row[other] += e.w * w / float64(n)
				}
			}
		}
		for other := id; other < v; other++ {
			row[other] -= mean[id] * mean[other]
		}
	})
	return cxy, cyy
}

// ridge adds a share of the mean variance to the diagonal.
func ridge(c *mat.SymDense, share float64) {
	n := c.SymmetricDim()
	trace := 0.0
	for i := range n {
		trace += c.At(i, i)
	}
	add := max(share*trace/float64(n), 1e-9)
	for i := range n {
		c.SetSym(i, i, c.At(i, i)+add)
	}
}

// solveBlock is how many right-hand sides a core works on at a time, so that they stay in its cache.
const solveBlock = 64

// forward solves Uᵀ·X = b in place of b, for the upper Cholesky factor U. (gonum's own solver works on
// one core and is several times slower at these sizes.)
func forward(u *mat.TriDense, b *mat.Dense) { solve(u, b, false) }

// backward solves U·X = b in place of b.
func backward(u *mat.TriDense, b *mat.Dense) { solve(u, b, true) }

func solve(f *mat.TriDense, b *mat.Dense, back bool) {
	t := f.RawTriangular()
	n, cols := b.Dims()
	raw := b.RawMatrix()
	parallel.For((cols+solveBlock-1)/solveBlock, func(block int) {
		from, to := block*solveBlock, min((block+1)*solveBlock, cols)
		row := func(i int) blas64.Vector {
			return blas64.Vector{N: to - from, Inc: 1, Data: raw.Data[i*raw.Stride+from : i*raw.Stride+to]}
		}
		// Row i of U serves both ways: Uᵀ's column i going forward, U's row i going back.
		for k := range n {
			i := k
			if back {
				i = n - 1 - k
			}
			ui := t.Data[i*t.Stride:]
			x := row(i)
			if back {
				for j := i + 1; j < n; j++ {
					blas64.Axpy(-ui[j], row(j), x)
				}
				blas64.Scal(1/ui[i], x)
				continue
			}
			blas64.Scal(1/ui[i], x)
			for j := i + 1; j < n; j++ {
				if ui[j] != 0 {
					blas64.Axpy(-ui[j], x, row(j))
				}
			}
		}
	})
}

// rms is the root mean square length of the rows.
func rms(a *mat.Dense) float64 {
	var sum float64
	n, d := a.Dims()
	for i := range n {
		for j := range d {
			sum += a.At(i, j) * a.At(i, j)
		}
	}
	return math.Sqrt(max(sum/float64(n), 1e-12))
}

// projected is the root mean square length of the images in the directions b.
func projected(x, b *mat.Dense) float64 {
	var y mat.Dense
	y.Mul(x, b)
	n, d := y.Dims()
	var sum float64
	for i := range n {
		for j := range d {
			sum += y.At(i, j) * y.At(i, j)
		}
	}
	return math.Sqrt(max(sum/float64(n), 1e-12))
}
