package step

import (
	"math"
	"slices"
	"sort"

	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/onnxref"
	"github.com/aladin-go/aladin/internal/training/loss"
)

// A lossCase is one loss as a graph and by its formula.
type lossCase struct {
	name  string
	build func(l loss.Builder, image, text, teacher *onnx.Value) (*onnx.Value, error)
	plain func(image, text, teacher [][]float64, in map[string]*onnxref.Tensor) float64
}

func lossCases() []lossCase {
	var all []lossCase
	measures := map[string]func(a, b []float64) float64{
		"dot":    inner,
		"cosine": func(a, b []float64) float64 { return inner(a, b) / math.Sqrt(inner(a, a)*inner(b, b)) },
		"order": func(image, text []float64) float64 {
			s := 1e-24
			for i := range image {
				d := max(0, text[i]-image[i])
				s += d * d
			}
			return -math.Sqrt(s)
		},
	}
	for measure, f := range measures {
		for _, hardest := range []bool{false, true} {
			name := "triplet, sum, " + measure
			if hardest {
				name = "triplet, hardest, " + measure
			}
			all = append(all, lossCase{name, func(l loss.Builder, image, text, _ *onnx.Value) (*onnx.Value, error) {
				s, err := l.Scores(measure, image, text)
				if err != nil {
					return nil, err
				}
				return l.Triplet(s, 0.2, hardest), nil
			}, func(image, text, _ [][]float64, _ map[string]*onnxref.Tensor) float64 {
				return plainTriplet(table(image, text, f), hardest)
			}})
		}
	}
	student := func(image, text [][]float64) [][]float64 { return table(image, text, inner) }
	for mode, f := range map[string]func(teacher, student [][]float64, in map[string]*onnxref.Tensor) float64{
		"listnet": func(teacher, student [][]float64, _ map[string]*onnxref.Tensor) float64 {
			return plainListNet(teacher, student, 1, 6) + plainListNet(flip(teacher), flip(student), 1, 6)
		},
		"mse": func(teacher, student [][]float64, in map[string]*onnxref.Tensor) float64 {
			wb, sum := in["distillation_loss.wb"].F, 0.0
			for i := range teacher {
				for j := range teacher {
					d := student[i][j]*wb[0] + wb[1] - teacher[i][j]
					sum += d * d
				}
			}
			return sum / float64(len(teacher)*len(teacher))
		},
		"ordinal": func(teacher, student [][]float64, _ map[string]*onnxref.Tensor) float64 {
			return plainOrdinal(teacher, student) + plainOrdinal(flip(teacher), flip(student))
		},
		"contrastive": func(teacher, student [][]float64, _ map[string]*onnxref.Tensor) float64 {
			return plainContrastive(teacher, student) + plainContrastive(flip(teacher), flip(student))
		},
	} {
		all = append(all, lossCase{"distillation, " + mode, func(l loss.Builder, image, text, teacher *onnx.Value) (*onnx.Value, error) {
			s, err := l.Scores("dot", image, text)
			if err != nil {
				return nil, err
			}
			return l.Distillation(mode, teacher, s, 6)
		}, func(image, text, teacher [][]float64, in map[string]*onnxref.Tensor) float64 {
			return f(teacher, student(image, text), in)
		}})
	}
	all = append(all,
		lossCase{"infoNCE", func(l loss.Builder, image, text, _ *onnx.Value) (*onnx.Value, error) {
			s, err := l.Scores("dot", image, text)
			if err != nil {
				return nil, err
			}
			return l.InfoNCE(s, "scale", 2), nil
		}, func(image, text, _ [][]float64, in map[string]*onnxref.Tensor) float64 {
			s := student(image, text)
			scale := math.Exp(in["scale"].F[0])
			return (plainCrossEntropy(s, scale) + plainCrossEntropy(flip(s), scale)) / 2
		}},
		lossCase{"imitation", func(l loss.Builder, image, text, teacher *onnx.Value) (*onnx.Value, error) {
			matching, err := l.Scores("dot", image, text)
			if err != nil {
				return nil, err
			}
			align, err := l.Scores("cosine", image, text)
			if err != nil {
				return nil, err
			}
			return l.Imitation(teacher, matching, align, 3), nil
		}, func(image, text, teacher [][]float64, _ map[string]*onnxref.Tensor) float64 {
			loss := func(s [][]float64) float64 {
				return (plainListNet(teacher, s, 3, 3) + plainListNet(flip(teacher), flip(s), 3, 3)) / 2
			}
			return (loss(student(image, text)) + loss(table(image, text, measures["cosine"]))) / 2
		}},
		lossCase{"entropy", func(l loss.Builder, image, text, _ *onnx.Value) (*onnx.Value, error) {
			return l.Entropy(image, text), nil
		}, func(image, text, _ [][]float64, _ map[string]*onnxref.Tensor) float64 {
			return plainEntropy(append(slices.Clone(image), text...))
		}},
		lossCase{"hidden states", func(l loss.Builder, image, text, _ *onnx.Value) (*onnx.Value, error) {
			deep := func(x *onnx.Value) *onnx.Value { return l.B.Unsqueeze(x, 1) }
			return l.HiddenNorm([]*onnx.Value{deep(text), deep(l.B.Exp(text))}, []*onnx.Value{deep(image)}), nil
		}, func(image, text, _ [][]float64, _ map[string]*onnxref.Tensor) float64 {
			l1 := func(x [][]float64, f func(float64) float64) float64 {
				sum := 0.0
				for _, row := range x {
					for _, v := range row {
						sum += math.Abs(f(v))
					}
				}
				return sum / float64(len(x))
			}
			same := func(v float64) float64 { return v }
			return 0.001 * ((l1(text, same)+l1(text, math.Exp))/2 + l1(image, same)) / 2
		}})
	return all
}

func inner(a, b []float64) float64 {
	s := 0.0
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

// table is the matrix of f on all pairs.
func table(image, text [][]float64, f func(a, b []float64) float64) [][]float64 {
	out := make([][]float64, len(image))
	for i := range image {
		for _, t := range text {
			out[i] = append(out[i], f(image[i], t))
		}
	}
	return out
}

func flip(s [][]float64) [][]float64 {
	out := make([][]float64, len(s))
	for i := range s {
		for j := range s {
			out[i] = append(out[i], s[j][i])
		}
	}
	return out
}

func plainTriplet(s [][]float64, hardest bool) float64 {
	total := 0.0
	for _, m := range [][][]float64{s, flip(s)} {
		for i, row := range m {
			sum, top := 0.0, 0.0
			for j, v := range row {
				if i != j {
					c := max(0, 0.2+v-row[i])
					sum += c
					top = max(top, c)
				}
			}
			if hardest {
				sum = top
			}
			total += sum
		}
	}
	return total
}

func plainSoftmax(row []float64, scale float64) []float64 {
	out, sum := make([]float64, len(row)), 0.0
	for i, v := range row {
		out[i] = math.Exp(v * scale)
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

func plainListNet(teacher, student [][]float64, teacherScale, studentScale float64) float64 {
	total := 0.0
	for i := range teacher {
		p, q := plainSoftmax(teacher[i], teacherScale), plainSoftmax(student[i], studentScale)
		for j := range p {
			total -= p[j] * math.Log(q[j]+1e-10)
		}
	}
	return total / float64(len(teacher))
}

func plainCrossEntropy(s [][]float64, scale float64) float64 {
	total := 0.0
	for i, row := range s {
		total -= math.Log(plainSoftmax(row, scale)[i])
	}
	return total / float64(len(s))
}

// plainOrdinal sorts each row by the teacher and compares places a stride apart.
func plainOrdinal(teacher, student [][]float64) float64 {
	sum, count := 0.0, 0.0
	for i, row := range teacher {
		order := make([]int, len(row))
		for j := range order {
			order[j] = j
		}
		sort.Slice(order, func(a, b int) bool { return row[order[a]] < row[order[b]] })
		for k := 0; k+3 < len(order); k++ {
			low, high := order[k], order[k+3]
			if row[high] >= 0.1 {
				sum += max(0, 0.2+student[i][low]-student[i][high])
				count++
			}
		}
	}
	return sum / max(count, 1)
}

// plainContrastive takes, for each row, the whole column that the teacher scores highest off the diagonal.
func plainContrastive(teacher, student [][]float64) float64 {
	total := 0.0
	for i, row := range teacher {
		best := 0
		for j := range row {
			v, w := row[j], row[best]
			if j == i {
				v = 0
			}
			if best == i {
				w = 0
			}
			if v > w {
				best = j
			}
		}
		for k := range student {
			total += max(0, 0.2+student[k][best]-student[k][k])
		}
	}
	return total
}

func plainEntropy(all [][]float64) float64 {
	total := 0.0
	for i, x := range all {
		best := -1
		for j, y := range all {
			if i != j && (best < 0 || inner(x, y) > inner(x, all[best])) {
				best = j
			}
		}
		d := 0.0
		for k := range x {
			v := x[k] - all[best][k] + 1e-6
			d += v * v
		}
		total -= math.Log(float64(len(all)) * math.Sqrt(d))
	}
	return total / float64(len(all))
}
