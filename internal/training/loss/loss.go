package loss

import (
	"fmt"
	"math"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/training/config"
)

// A Builder builder puts losses into one graph.
type Builder struct {
	B   *onnx.Builder
	Net *nn.Net // for learned parameters: logit scales, affine maps, weights
}

// eye is the identity matrix of the batch.
func (l Builder) eye(s *onnx.Value) *onnx.Value {
	b, n := l.B, s.Shape[0]
	i := b.Range(n)
	return b.Cast(b.Equal(b.Reshape(i, n, onnx.D(1)), b.Reshape(i, onnx.D(1), n)), onnx.Float)
}

// diagonal is s's, as a column [B, 1].
func (l Builder) diagonal(s *onnx.Value) *onnx.Value {
	return l.B.ReduceSum(l.B.Mul(s, l.eye(s)), true, 1)
}

// costs are the violations max(0, margin + s − s⁺) per row (against the image's caption) and per column
// (against the caption's image).
func (l Builder) costs(s *onnx.Value, margin float32) (rows, cols *onnx.Value) {
	b, diag := l.B, l.diagonal(s)
	m := b.AddS(s, margin)
	return b.Relu(b.Sub(m, diag)), b.Relu(b.Sub(m, b.Transpose(diag, 1, 0)))
}

// Triplet is the hinge triplet loss, summed over rows and columns: of the hardest negative of each
// (VSE++, Faghri et al., BMVC 2018), or of all.
func (l Builder) Triplet(s *onnx.Value, margin float32, hardest bool) *onnx.Value {
	b := l.B
	off := b.Sub(b.Scalar(1), l.eye(s))
	rows, cols := l.costs(s, margin)
	rows, cols = b.Mul(rows, off), b.Mul(cols, off)
	if !hardest {
		return b.ReduceSum(b.Add(rows, cols), false, 0, 1)
	}
	return b.Add(b.ReduceSum(b.ReduceMax(rows, false, 1), false, 0), b.ReduceSum(b.ReduceMax(cols, false, 0), false, 0))
}

// InfoNCE is the symmetric cross-entropy of CLIP (Radford et al., ICML 2021) with a learned logarithmic
// scale (the parameter is the logarithm itself, as in ALADIN-2.0's checkpoints); its mean over the batch,
// half of each direction. The scale is capped at 100 as there.
func (l Builder) InfoNCE(s *onnx.Value, scaleName string, start float32) *onnx.Value {
	b := l.B
	scale := l.Net.Param(scaleName, nn.Init{Value: start}, 1)
	scale = b.Exp(b.Min(scale, b.Scalar(float32(math.Log(100)))))
	logits := b.Mul(s, scale)
	eye := l.eye(s)
	sum := b.Add(b.Mul(b.LogSoftmax(logits, 1), eye), b.Mul(b.LogSoftmax(logits, 0), eye))
	return b.MulS(l.mean(b.ReduceSum(sum, false, 1)), -0.5)
}

func (l Builder) mean(v *onnx.Value) *onnx.Value { return l.B.ReduceMean(v, false, 0) }

// Constants of the released distillation losses.
const (
	distillMargin    = 0.2
	ordinalThreshold = 0.1
	ordinalStride    = 3
)

// Distillation teaches student scores to rank like the teacher's, through which no gradient flows.
func (l Builder) Distillation(mode string, teacher, student *onnx.Value, temperature float32) (*onnx.Value, error) {
	b := l.B
	teacher = b.StopGradient(teacher)
	switch mode {
	case "listnet":
		return b.Add(l.listNet(teacher, student, temperature, 1), l.listNet(teacher, student, temperature, 0)), nil
	case "mse":
		wb := l.Net.Param("distillation_loss.wb", nn.Init{Value: 0.5}, 2)
		scaled := b.Add(b.Mul(student, b.Slice(wb, 0, 0, 1, onnx.D(1))), b.Slice(wb, 0, 1, 2, onnx.D(1)))
		diff := b.Sub(scaled, teacher)
		return b.ReduceMean(b.Mul(diff, diff), false, 0, 1), nil
	case "ordinal":
		return b.Add(l.ordinal(teacher, student), l.ordinal(b.Transpose(teacher, 1, 0), b.Transpose(student, 1, 0))), nil
	case "contrastive":
		return l.contrastive(teacher, student), nil
	}
	return nil, fmt.Errorf("%w: distillation-mode %q, known are %q", config.ErrConfig, mode, config.DistillationModes)
}

// listNet is the cross-entropy of the two distributions over an axis (Cao et al., ICML 2007), its mean
// over the other.
func (l Builder) listNet(teacher, student *onnx.Value, temperature float32, axis int) *onnx.Value {
	b := l.B
	p := b.Softmax(teacher, axis)
	q := b.Log(b.AddS(b.Softmax(b.MulS(student, temperature), axis), 1e-10))
	return b.Neg(l.mean(b.ReduceSum(b.Mul(p, q), false, axis)))
}

// Imitation is the mean ListNet loss of both heads, taught in both directions by a model's scores.
func (l Builder) Imitation(teacher, matching, align *onnx.Value, scale float32) *onnx.Value {
	b := l.B
	teacher = b.MulS(b.StopGradient(teacher), scale)
	of := func(s *onnx.Value) *onnx.Value {
		return b.Add(l.listNet(teacher, s, scale, 1), l.listNet(teacher, s, scale, 0))
	}
	return b.MulS(b.Add(of(matching), of(align)), 0.25)
}

// ordinal asks each row of the student to keep the teacher's order at a stride: sorted by the teacher,
// the later score should be larger by a margin. Pairs whose better one the teacher scores below the
// threshold do not count; a batch without any scores 0.
func (l Builder) ordinal(teacher, student *onnx.Value) *onnx.Value {
	b, n := l.B, teacher.Shape[1]
	k := b.DimVector(teacher, 1)
	sorted := b.Node("TopK", "", []*onnx.Value{teacher, k},
		[]*onnx.Attr{{Name: "axis", Kind: onnx.AttrInt, I: 1}, {Name: "largest", Kind: onnx.AttrInt, I: 0}, {Name: "sorted", Kind: onnx.AttrInt, I: 1}},
		onnx.Value{Type: onnx.Float, Shape: teacher.Shape}, onnx.Value{Type: onnx.Int64, Shape: teacher.Shape})
	ordered := b.GatherElements(student, sorted[1], 1)
	rest := onnx.Sym(n.String() + "-stride")
	end := b.DimVector(teacher, 1)
	low := b.Slice(ordered, 1, 0, -ordinalStride, rest)
	high := b.SliceV(ordered, 1, b.Ints(ordinalStride), end, rest)
	counts := b.Cast(b.GreaterEqual(b.SliceV(sorted[0], 1, b.Ints(ordinalStride), end, rest), b.Scalar(ordinalThreshold)), onnx.Float)
	cost := b.Mul(b.Relu(b.AddS(b.Sub(low, high), distillMargin)), counts)
	return b.Div(b.ReduceSum(cost, false, 0, 1), b.MaxS(b.ReduceSum(counts, false, 0, 1), 1))
}

// contrastive lets the teacher choose the negatives: for each row (column) the column (row) that the
// teacher scores highest off the diagonal. As released, whole columns and rows are taken, the diagonal
// included, and 2·B² terms summed.
func (l Builder) contrastive(teacher, student *onnx.Value) *onnx.Value {
	b := l.B
	off := b.Mul(teacher, b.Sub(b.Scalar(1), l.eye(teacher)))
	rows, cols := l.costs(student, distillMargin)
	n := teacher.Shape[0]
	// A column is taken as often as it is some row's choice: the sum needs only the counts.
	count := func(axis int) *onnx.Value {
		idx := b.ArgMax(off, axis) // [B,1] or [1,B]
		i := b.Range(n)
		if axis == 1 { // counts per column, as a row
			hit := b.Cast(b.Equal(idx, b.Reshape(i, onnx.D(1), n)), onnx.Float)
			return b.ReduceSum(hit, true, 0)
		}
		hit := b.Cast(b.Equal(idx, b.Reshape(i, n, onnx.D(1))), onnx.Float)
		return b.ReduceSum(hit, true, 1)
	}
	return b.Add(b.ReduceSum(b.Mul(rows, count(1)), false, 0, 1), b.ReduceSum(b.Mul(cols, count(0)), false, 0, 1))
}

// Scores are the matching scores of a batch by a measure: dot and cosine agree on normalised vectors;
// order is −‖max(0, caption − image)‖ (order embeddings, Vendrov et al., ICLR 2016).
func (l Builder) Scores(measure string, image, text *onnx.Value) (*onnx.Value, error) {
	b := l.B
	switch measure {
	case "dot":
		return b.Gemm(image, text, nil, false, true), nil
	case "cosine":
		return b.Gemm(b.L2Normalize(image, 0), b.L2Normalize(text, 0), nil, false, true), nil
	case "order":
		n, d := image.Shape[0], image.Shape[1]
		diff := b.Relu(b.Sub(b.Reshape(text, onnx.D(1), n, d), b.Reshape(image, n, onnx.D(1), d)))
		// The square root needs room to be differentiable where a caption lies wholly inside its image.
		return b.Neg(b.Sqrt(b.AddS(b.ReduceSum(b.Mul(diff, diff), false, 2), 1e-24))), nil
	}
	return nil, fmt.Errorf("%w: measure %q, known are %q", config.ErrConfig, measure, config.Measures)
}

// Entropy is the uniformity loss of the matching vectors of both sides together, −mean log(2B·d) with d
// the distance of each to its nearest neighbour (Sablayrolles et al., ICLR 2019).
func (l Builder) Entropy(image, text *onnx.Value) *onnx.Value {
	b := l.B
	all := b.Concat(0, image, text)
	n := b.DimVector(image, 0)
	two := b.Add(n, n)
	rows := all.Shape[0]
	b.DefineDim(rows, all, 0)
	i := b.Range(rows)
	self := b.Cast(b.Equal(b.Reshape(i, rows, onnx.D(1)), b.Reshape(i, onnx.D(1), rows)), onnx.Float)
	dots := b.Gemm(all, all, nil, false, true)
	// −2 is below every dot product of unit vectors.
	others := b.Sub(b.Mul(dots, b.Sub(b.Scalar(1), self)), b.MulS(self, 2))
	nearest := b.Gather(all, b.Reshape(b.ArgMax(others, 1), rows))
	diff := b.AddS(b.Sub(all, nearest), 1e-6) // as PyTorch's PairwiseDistance
	dist := b.Sqrt(b.ReduceSum(b.Mul(diff, diff), false, 1))
	return b.Neg(l.mean(b.Log(b.Mul(dist, b.Reshape(b.Cast(two, onnx.Float))))))
}

// HiddenNorm is the released regulariser of hidden states: a thousandth of a token's mean L1 norm over
// all layers, averaged over the sides.
func (l Builder) HiddenNorm(text, image []*onnx.Value) *onnx.Value {
	b := l.B
	norm := func(states []*onnx.Value) *onnx.Value {
		var sum *onnx.Value
		for _, x := range states {
			v := b.ReduceMean(b.ReduceSum(b.Abs(x), false, 2), false, 0, 1)
			if sum == nil {
				sum = v
			} else {
				sum = b.Add(sum, v)
			}
		}
		return b.MulS(sum, 1/float32(len(states)))
	}
	return b.MulS(b.Add(norm(text), norm(image)), 0.0005)
}

// Contrast is a head's own loss.
func (l Builder) Contrast(s *onnx.Value, kind string, t *config.TrainingConfig, scaleName string, temperature float64) *onnx.Value {
	if kind == "infonce" {
		return l.InfoNCE(s, scaleName, float32(-math.Log(temperature)))
	}
	return l.Triplet(s, float32(t.Margin), t.MaxViolation)
}
