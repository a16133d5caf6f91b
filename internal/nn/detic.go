package nn

import "github.com/aladin-go/aladin/internal/onnx"

// deticRegions puts Detic's regions, known by the zeros that pad them, through layers of their own: x
// [N, H] are all regions as the usual layer maps them, rows [N, F] the features.
func (n *Net) deticRegions(x, rows *onnx.Value) *onnx.Value {
	b := n.B
	rest := b.Slice(rows, 1, DeticDim, int64(n.RegionDim), onnx.D(n.RegionDim-DeticDim))
	usual := b.Cast(b.Greater(b.ReduceMax(b.Abs(rest), true, 1), b.Scalar(0)), onnx.Float) // [N, 1]
	in := b.Slice(rows, 1, 0, int64(n.DeticIn), onnx.D(n.DeticIn))
	y := n.foreign(in, bertPrefix+"detic_to_oscar_img", n.DeticIn, n.DeticHidden)
	return b.Add(b.Mul(x, usual), b.Mul(y, b.Sub(b.Scalar(1), usual)))
}
