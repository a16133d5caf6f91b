package evalcmd

import (
	"fmt"
	"image/color"
	"io"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/aladin-go/aladin/internal/atomicfile"
)

// palette is that of Okabe and Ito, which colour-blind people can tell apart.
var palette = []color.RGBA{
	{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255},
	{230, 159, 0, 255}, {86, 180, 233, 255}, {90, 90, 90, 255},
}

// setting is one way to search: what it costs and what it finds.
type setting struct {
	name string
	ms   float64 // a query; 0 if it was not timed
	f    *figures
}

// points are the settings that have figures, cheapest first.
func (e *evaluation) points() []setting {
	var out []setting
	l := e.doc.Latency
	ms := func(align float64) float64 {
		if l == nil || l.Match == nil {
			return 0
		}
		t := l.Match.P50 + align
		if l.EncodeText != nil {
			t += l.EncodeText.P50
		}
		return t
	}
	if f := e.doc.Matching; f != nil {
		out = append(out, setting{"matching", ms(0), f})
	}
	for k := range e.doc.RerankAll {
		f := &e.doc.RerankAll[k]
		t := 0.0
		if l != nil {
			for _, a := range l.AlignAt {
				if a.Candidates == f.Candidates {
					t = ms(a.P50)
				}
			}
		}
		out = append(out, setting{fmt.Sprintf("re-ranked %d", f.Candidates), t, f})
	}
	if f := e.doc.Alignment; f != nil {
		t := 0.0
		if l != nil && len(l.AlignAt) > 0 { // every image aligned, at the rate of the largest candidate list
			a := l.AlignAt[len(l.AlignAt)-1]
			t = a.P50 / float64(a.Candidates) * float64(e.doc.Galleries[0].Images)
			if l.EncodeText != nil {
				t += l.EncodeText.P50
			}
		}
		out = append(out, setting{"alignment", t, f})
	}
	return out
}

// draw writes the chart: effectiveness against efficiency, and recall curves.
func (e *evaluation) draw(path string) error {
	const width, height = 26 * vg.Centimeter, 11 * vg.Centimeter
	left, err := e.tradeOff()
	if err != nil {
		return err
	}
	right, err := e.curves()
	if err != nil {
		return err
	}
	render := func(c vg.CanvasSizer) {
		canvas := draw.New(c)
		tiles := draw.Tiles{Rows: 1, Cols: 2, PadX: 8 * vg.Millimeter, PadTop: 4 * vg.Millimeter, PadBottom: 4 * vg.Millimeter, PadLeft: 4 * vg.Millimeter, PadRight: 6 * vg.Millimeter}
		aligned := plot.Align([][]*plot.Plot{{left, right}}, tiles, canvas)
		left.Draw(aligned[0][0])
		right.Draw(aligned[0][1])
	}
	return writeFile(path, func(w io.Writer) error {
		if strings.EqualFold(filepath.Ext(path), ".png") {
			c := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(150))
			render(c)
			_, err := vgimg.PngCanvas{Canvas: c}.WriteTo(w)
			return err
		}
		c := vgsvg.New(width, height)
		render(c)
		_, err := c.WriteTo(w)
		return err
	})
}

func (e *evaluation) tradeOff() (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = "Effectiveness against efficiency"
	p.X.Label.Text = "ms a query"
	p.Y.Label.Text = "rsum"
	p.Add(plotter.NewGrid())
	var labels plotter.XYLabels
	var line plotter.XYs
	low, high := 0.0, 0.0
	for k, s := range e.points() {
		x := s.ms
		if x <= 0 {
			continue // on a logarithmic axis an untimed setting has no place
		}
		if low == 0 || x < low {
			low = x
		}
		high = max(high, x)
		xy := plotter.XY{X: x, Y: s.f.RSum}
		if s.f.CI != nil {
			bars, err := plotter.NewYErrorBars(errorPoint{xy, s.f.RSum - s.f.CI.RSum[0], s.f.CI.RSum[1] - s.f.RSum})
			if err != nil {
				return nil, err
			}
			bars.Color = color.Gray{150}
			p.Add(bars)
		}
		dot, err := plotter.NewScatter(plotter.XYs{xy})
		if err != nil {
			return nil, err
		}
		dot.GlyphStyle = draw.GlyphStyle{Color: palette[k%len(palette)], Radius: 4, Shape: draw.CircleGlyph{}}
		p.Add(dot)
		if s.f.Candidates > 0 || s.name == "matching" { // exhaustive alignment is no step of the same path
			line = append(line, xy)
		}
		labels.XYs = append(labels.XYs, xy)
		labels.Labels = append(labels.Labels, s.name)
	}
	if len(labels.XYs) == 0 {
		p.Title.Text = "No query was timed"
		return p, nil
	}
	path, err := plotter.NewLine(line)
	if err != nil {
		return nil, err
	}
	path.Color = color.Gray{190}
	path.Dashes = []vg.Length{vg.Points(3), vg.Points(3)}
	names, err := plotter.NewLabels(labels)
	if err != nil {
		return nil, err
	}
	names.Offset = vg.Point{X: 6, Y: 4}
	p.Add(path, names)
	logarithmic(p, low/2, high*5) // room for the labels
	return p, nil
}

// errorPoint is one point with its interval.
type errorPoint struct {
	at        plotter.XY
	low, high float64
}

func (errorPoint) Len() int                         { return 1 }
func (e errorPoint) XY(int) (x, y float64)          { return e.at.X, e.at.Y }
func (e errorPoint) YError(int) (low, high float64) { return e.low, e.high }

func (e *evaluation) curves() (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = "Recall: text → image (solid), image → text (dashed)"
	p.X.Label.Text = "k"
	p.Y.Label.Text = "R@k, %"
	p.Y.Max = 100
	p.Add(plotter.NewGrid())
	for k, s := range e.points() {
		if s.f.Curve == nil {
			continue
		}
		for dashed, y := range [][]float64{s.f.Curve.T2I, s.f.Curve.I2T} {
			var xy plotter.XYs
			for j, at := range s.f.Curve.K {
				xy = append(xy, plotter.XY{X: float64(at), Y: y[j]})
			}
			line, err := plotter.NewLine(xy)
			if err != nil {
				return nil, err
			}
			line.Color, line.Width = palette[k%len(palette)], vg.Points(1.5)
			if dashed == 1 {
				line.Dashes = []vg.Length{vg.Points(5), vg.Points(3)}
			} else {
				p.Legend.Add(s.name, line)
			}
			p.Add(line)
		}
	}
	logarithmic(p, 1, max(p.X.Max, 10))
	return p, nil
}

// logarithmic gives p an x axis with ticks at 1, 2, 5, 10, …
func logarithmic(p *plot.Plot, low, high float64) {
	p.X.Scale, p.X.Min, p.X.Max = plot.LogScale{}, low, high
	var ticks plot.ConstantTicks
	for _, v := range (axis{low: low, high: high, log: true}).ticks() {
		ticks = append(ticks, plot.Tick{Value: v, Label: short(v)})
	}
	p.X.Tick.Marker = ticks
}

// writeFile writes a file that appears only when it is whole.
func writeFile(path string, write func(io.Writer) error) error {
	return atomicfile.Write(path, write)
}
