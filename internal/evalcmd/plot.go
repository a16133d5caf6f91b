package evalcmd

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"

	"github.com/aladin-go/aladin/internal/atomicfile"
	"github.com/aladin-go/aladin/internal/chart"
)

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
	reranked := func(name string, f *figures) {
		t := 0.0
		if l != nil {
			for _, a := range l.AlignAt {
				if a.Candidates == f.Candidates {
					t = ms(a.P50)
				}
			}
		}
		out = append(out, setting{fmt.Sprintf("%s %d", name, f.Candidates), t, f})
	}
	for k := range e.doc.RerankAll {
		reranked("re-ranked", &e.doc.RerankAll[k])
	}
	if f := e.doc.Fused; f != nil {
		reranked("fused", f)
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

// draw writes the charts: effectiveness against efficiency, and recall curves.
func (e *evaluation) draw(path string) error {
	charts := []*chart.Chart{recallCurves(e.points())}
	charts[0].Title = "Recall: text → image (solid), image → text (dashed)"
	if c := tradeOff(e.points()); c != nil {
		c.Title = "Effectiveness against efficiency"
		charts = append([]*chart.Chart{c}, charts...)
	}
	write := chart.WriteSVG
	if strings.EqualFold(filepath.Ext(path), ".png") {
		write = chart.WritePNG
	}
	return atomicfile.Write(path, func(w io.Writer) error { return write(w, charts...) })
}

// tradeOff is rsum against milliseconds; nil when nothing was timed.
func tradeOff(settings []setting) *chart.Chart {
	c := &chart.Chart{X: "ms a query", Y: "rsum", LogX: true, RoomX: 2, RoomY: .12}
	path := chart.Series{Kind: chart.Path}
	var dots []chart.Series
	for k, s := range settings {
		if s.ms <= 0 {
			continue
		}
		p := chart.Point{X: s.ms, Y: s.f.RSum, Name: s.name}
		if s.f.CI != nil {
			p.Low, p.High = s.f.CI.RSum[0], s.f.CI.RSum[1]
		}
		dots = append(dots, chart.Series{Kind: chart.Dots, Points: []chart.Point{p}, Colour: k})
		if s.f.Candidates > 0 || s.name == "matching" { // exhaustive alignment is no step of the same path
			path.Points = append(path.Points, p)
		}
	}
	if len(dots) == 0 {
		return nil
	}
	c.Series = append([]chart.Series{path}, dots...)
	return c
}

// recallCurves are R@k against k, text → image solid and image → text dashed.
func recallCurves(settings []setting) *chart.Chart {
	c := &chart.Chart{X: "k", Y: "R@k, %", LogX: true, LowX: 1, HighX: 10, LowY: 90, HighY: 100, Legend: true}
	for k, s := range settings {
		if s.f.Curve == nil {
			continue
		}
		lines := []chart.Series{{Name: s.name, Colour: k}, {Kind: chart.Dashed, Colour: k}}
		for side, recalls := range [][]float64{s.f.Curve.T2I, s.f.Curve.I2T} {
			for j, at := range s.f.Curve.K {
				lines[side].Points = append(lines[side].Points, chart.Point{X: float64(at), Y: recalls[j]})
				c.LowY = min(c.LowY, math.Floor(recalls[j]/10)*10)
			}
		}
		c.Series = append(c.Series, lines...)
	}
	return c
}
