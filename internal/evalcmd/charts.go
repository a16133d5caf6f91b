package evalcmd

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// The report's charts are drawn here as SVG that takes its colours from the page, so that they follow
// light and dark.

const (
	chartW, chartH        = 560, 340
	chartLeft, chartRight = 52, 20
	chartTop, chartBottom = 16, 44
	plotW, plotH          = chartW - chartLeft - chartRight, chartH - chartTop - chartBottom
)

// axis maps values to pixels.
type axis struct {
	low, high float64
	log       bool
	pixels    float64
}

func (a axis) at(v float64) float64 {
	if a.log {
		return a.pixels * math.Log(v/a.low) / math.Log(a.high/a.low)
	}
	return a.pixels * (v - a.low) / (a.high - a.low)
}

// ticks are round values within the axis.
func (a axis) ticks() []float64 {
	var out []float64
	if a.log {
		for p := math.Pow(10, math.Floor(math.Log10(a.low))); p <= a.high*1.0001; p *= 10 {
			for _, m := range []float64{1, 2, 5} {
				if v := p * m; v >= a.low*0.9999 && v <= a.high*1.0001 {
					out = append(out, v)
				}
			}
		}
		return out
	}
	step := math.Pow(10, math.Floor(math.Log10((a.high-a.low)/4)))
	for _, m := range []float64{5, 2} {
		if (a.high-a.low)/(step*m) >= 4 {
			step *= m
			break
		}
	}
	for v := math.Ceil(a.low/step) * step; v <= a.high+step/1000; v += step {
		out = append(out, v)
	}
	return out
}

type svg struct{ strings.Builder }

func newChart(x, y axis, xName, yName string) *svg {
	s := &svg{}
	fmt.Fprintf(s, `<svg class="chart" viewBox="0 0 %d %d" role="img" aria-label="%s against %s"><g transform="translate(%d,%d)">`, chartW, chartH, yName, xName, chartLeft, chartTop)
	for _, v := range x.ticks() {
		fmt.Fprintf(s, `<line class="grid" x1="%.1f" x2="%.1f" y1="0" y2="%d"/><text class="tick" x="%.1f" y="%d" text-anchor="middle">%s</text>`, x.at(v), x.at(v), plotH, x.at(v), plotH+16, short(v))
	}
	for _, v := range y.ticks() {
		py := plotH - y.at(v)
		fmt.Fprintf(s, `<line class="grid" x1="0" x2="%d" y1="%.1f" y2="%.1f"/><text class="tick" x="-8" y="%.1f" text-anchor="end">%s</text>`, plotW, py, py, py+4, short(v))
	}
	fmt.Fprintf(s, `<text class="name" x="%d" y="%d" text-anchor="end">%s</text><text class="name" x="6" y="-5">%s</text>`, plotW, plotH+36, xName, yName)
	return s
}

func (s *svg) html() template.HTML {
	s.WriteString(`</g></svg>`)
	return template.HTML(s.String())
}

func short(v float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", v), "0"), ".")
}

// tradeOffSVG is rsum against milliseconds; "" when nothing was timed.
func tradeOffSVG(points []setting) template.HTML {
	x, y := axis{log: true, pixels: plotW}, axis{pixels: plotH}
	var timed []setting
	for _, p := range points {
		if p.ms <= 0 {
			continue
		}
		low, high := p.f.RSum, p.f.RSum
		if p.f.CI != nil {
			low, high = p.f.CI.RSum[0], p.f.CI.RSum[1]
		}
		if len(timed) == 0 {
			x.low, x.high, y.low, y.high = p.ms, p.ms, low, high
		}
		x.low, x.high = min(x.low, p.ms), max(x.high, p.ms)
		y.low, y.high = min(y.low, low), max(y.high, high)
		timed = append(timed, p)
	}
	if len(timed) == 0 {
		return ""
	}
	x.low, x.high = x.low/1.6, x.high*4
	pad := max(1, (y.high-y.low)*0.12)
	y.low, y.high = max(0, y.low-pad), min(600, y.high+pad)
	s := newChart(x, y, "ms a query", "rsum")
	s.WriteString(`<polyline class="path" points="`)
	for _, p := range timed {
		if p.f.Candidates == 0 && p.name != "matching" {
			continue // exhaustive alignment is no step of the same path
		}
		fmt.Fprintf(s, "%.1f,%.1f ", x.at(p.ms), plotH-y.at(p.f.RSum))
	}
	s.WriteString(`"/>`)
	for k, p := range timed {
		px, py := x.at(p.ms), plotH-y.at(p.f.RSum)
		if p.f.CI != nil {
			fmt.Fprintf(s, `<line class="ci" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, px, px, plotH-y.at(p.f.CI.RSum[0]), plotH-y.at(p.f.CI.RSum[1]))
		}
		fmt.Fprintf(s, `<circle class="c%d" cx="%.1f" cy="%.1f" r="5"><title>%s: rsum %.1f, %.3f ms</title></circle><text class="label" x="%.1f" y="%.1f">%s</text>`, k%8, px, py, p.name, p.f.RSum, p.ms, px+9, py+4, p.name)
	}
	return s.html()
}

// curvesSVG is R@k against k, text → image solid and image → text dashed.
func curvesSVG(points []setting) template.HTML {
	x, y := axis{low: 1, high: 10, log: true, pixels: plotW}, axis{low: 100, high: 100, pixels: plotH}
	for _, p := range points {
		if p.f.Curve == nil || len(p.f.Curve.K) == 0 {
			continue
		}
		x.high = max(x.high, float64(p.f.Curve.K[len(p.f.Curve.K)-1]))
		y.low = min(y.low, p.f.Curve.I2T[0], p.f.Curve.T2I[0])
	}
	y.low = math.Floor(y.low/10) * 10
	if y.low == y.high {
		y.low = 90
	}
	s := newChart(x, y, "k", "R@k, %")
	for k, p := range points {
		if p.f.Curve == nil {
			continue
		}
		for dashed, v := range [][]float64{p.f.Curve.T2I, p.f.Curve.I2T} {
			fmt.Fprintf(s, `<polyline class="line s%d d%d" points="`, k%8, dashed)
			for j, at := range p.f.Curve.K {
				fmt.Fprintf(s, "%.1f,%.1f ", x.at(float64(at)), plotH-y.at(v[j]))
			}
			s.WriteString(`"/>`)
		}
		ly := plotH - 14 - 18*(len(points)-1-k)
		fmt.Fprintf(s, `<line class="line s%d" x1="%d" x2="%d" y1="%d" y2="%d"/><text class="label" x="%d" y="%d">%s</text>`, k%8, plotW-130, plotW-110, ly, ly, plotW-104, ly+4, p.name)
	}
	return s.html()
}
