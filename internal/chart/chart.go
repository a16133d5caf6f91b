// Package chart draws small charts of curves and points, as SVG that takes its colours from the page it stands in or
// that stands alone, and as PNG.
package chart

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Size of a chart and of its margins, in units of an SVG.
const (
	width, height       = 560, 340
	left, right         = 52, 20
	top, bottom         = 20, 44
	planeW, planeH      = width - left - right, height - top - bottom
	titled              = 26 // more at the top for a title
	colours             = 8  // series beyond these begin again
	legendRow, legendAt = 18, 130
)

// A Chart is some series on one plane. Points that are not finite, or not positive on a logarithmic axis, are left
// out.
type Chart struct {
	Title        string
	X, Y         string // names of the axes
	LogX         bool
	LowX, HighX  float64 // the least that the plane shows, besides all points
	LowY, HighY  float64 // likewise
	RoomX, RoomY float64 // more at both ends: a factor of x where that is logarithmic, else a share of the range
	Legend       bool
	Series       []Series
}

// A Series is a curve, or some points.
type Series struct {
	Name   string // in the legend; "" is not there
	Points []Point
	Colour int
	Kind   Kind
}

// Kind is how a series is drawn.
type Kind int

// Kinds of series.
const (
	Line   Kind = iota
	Dashed      // a dashed line
	Path        // a faint dashed line, behind others
	Dots        // points with their names and intervals
)

// A Point is a place on the plane.
type Point struct {
	X, Y      float64
	Name      string  // beside a dot
	Low, High float64 // of a dot's interval; none where they are equal
}

// mostPoints is how many a curve is drawn of; longer ones are averaged down to it.
const mostPoints = planeW / 2

// Add appends a point to the series of a name, which is made if need be.
func (c *Chart) Add(name string, x, y float64) {
	if math.IsNaN(y) || math.IsInf(y, 0) {
		return
	}
	at := slices.IndexFunc(c.Series, func(s Series) bool { return s.Name == name })
	if at < 0 {
		at = len(c.Series)
		c.Series = append(c.Series, Series{Name: name, Colour: at})
	}
	c.Series[at].Points = append(c.Series[at].Points, Point{X: x, Y: y})
}

// A canvas draws in units of the SVG.
type canvas interface {
	line(class string, colour int, points [][2]float64)
	dot(colour int, x, y float64, title string)
	text(class string, x, y float64, anchor, text string)
}

// Anchors of a text.
const (
	start  = "start"
	middle = "middle"
	end    = "end"
)

// draw draws the chart with its upper left corner at x0, y0.
func (c *Chart) draw(to canvas) {
	x, y := c.axes()
	place := func(p Point) [2]float64 { return [2]float64{left + x.at(p.X), top + planeH - y.at(p.Y)} }
	if c.Title != "" {
		to.text("label", left, -8, start, c.Title)
	}
	for _, v := range x.ticks() {
		px := left + x.at(v)
		to.line("grid", -1, [][2]float64{{px, top}, {px, top + planeH}})
		to.text("tick", px, top+planeH+16, middle, short(v))
	}
	for _, v := range y.ticks() {
		py := top + planeH - y.at(v)
		to.line("grid", -1, [][2]float64{{left, py}, {left + planeW, py}})
		to.text("tick", left-8, py+4, end, short(v))
	}
	to.text("name", left+planeW, top+planeH+36, end, c.X)
	to.text("name", 6, top-7, start, c.Y)
	for _, s := range c.Series {
		points := s.thinned(x)
		if s.Kind != Dots {
			var line [][2]float64
			for _, p := range points {
				line = append(line, place(p))
			}
			class := [...]string{Line: "line", Dashed: "line dashed", Path: "path"}[s.Kind]
			to.line(class, s.Colour, line)
			continue
		}
		for _, p := range points {
			at := place(p)
			if p.Low != p.High {
				low, high := place(Point{X: p.X, Y: p.Low}), place(Point{X: p.X, Y: p.High})
				to.line("interval", -1, [][2]float64{low, high})
			}
			to.dot(s.Colour, at[0], at[1], fmt.Sprintf("%s: %s, %s %s", p.Name, short(p.Y), short(p.X), c.X))
			to.text("label", at[0]+9, at[1]+4, start, p.Name)
		}
	}
	if c.Legend {
		c.legend(to)
	}
}

// legend names the series in the plane's lower right corner.
func (c *Chart) legend(to canvas) {
	var named []Series
	for _, s := range c.Series {
		if s.Name != "" {
			named = append(named, s)
		}
	}
	for k, s := range named {
		y := float64(top + planeH - 14 - legendRow*(len(named)-1-k))
		to.line("line", s.Colour, [][2]float64{{left + planeW - legendAt, y}, {left + planeW - legendAt + 20, y}})
		to.text("label", left+planeW-legendAt+26, y+4, start, s.Name)
	}
}

// axes fit all points.
func (c *Chart) axes() (x, y axis) {
	x, y = axis{low: math.Inf(1), high: math.Inf(-1), log: c.LogX, pixels: planeW}, axis{low: math.Inf(1), high: math.Inf(-1), pixels: planeH}
	for _, s := range c.Series {
		for _, p := range s.Points {
			if !x.has(p.X) {
				continue
			}
			x.include(p.X)
			y.include(p.Y)
			if p.Low != p.High {
				y.include(p.Low)
				y.include(p.High)
			}
		}
	}
	if c.LowX < c.HighX {
		x.include(c.LowX)
		x.include(c.HighX)
	}
	if c.LowY < c.HighY {
		y.include(c.LowY)
		y.include(c.HighY)
	}
	for _, a := range []*axis{&x, &y} {
		if a.low > a.high { // no point at all
			a.low, a.high = 1, 2
		}
	}
	if c.RoomX > 0 && c.LogX {
		x.low, x.high = x.low/c.RoomX, x.high*c.RoomX
	}
	pad := c.RoomY * (y.high - y.low)
	y.low, y.high = y.low-pad, y.high+pad
	for _, a := range []*axis{&x, &y} {
		if a.low == a.high {
			a.high++
		}
	}
	return x, y
}

// thinned are the points that the plane can show.
func (s *Series) thinned(x axis) []Point {
	points := slices.DeleteFunc(slices.Clone(s.Points), func(p Point) bool { return !x.has(p.X) || math.IsNaN(p.Y) || math.IsInf(p.Y, 0) })
	if s.Kind == Dots {
		return points
	}
	group := (len(points) + mostPoints - 1) / mostPoints
	if group <= 1 {
		return points
	}
	var out []Point
	for part := range slices.Chunk(points, group) {
		var mean Point
		for _, p := range part {
			mean.X, mean.Y = mean.X+p.X/float64(len(part)), mean.Y+p.Y/float64(len(part))
		}
		out = append(out, mean)
	}
	return out
}

// An axis maps values to pixels.
type axis struct {
	low, high float64
	log       bool
	pixels    float64
}

func (a *axis) has(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) && (!a.log || v > 0) }

func (a *axis) include(v float64) {
	if a.has(v) {
		a.low, a.high = min(a.low, v), max(a.high, v)
	}
}

func (a *axis) at(v float64) float64 {
	if a.log {
		return a.pixels * math.Log(v/a.low) / math.Log(a.high/a.low)
	}
	return a.pixels * (v - a.low) / (a.high - a.low)
}

// ticks are round values within the axis.
func (a *axis) ticks() []float64 {
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
	for k := math.Ceil(a.low / step); k*step <= a.high+step/1000; k++ {
		out = append(out, k*step+0) // +0: no −0
	}
	return out
}

// short writes a number with at most three significant decimals.
func short(v float64) string {
	if v != 0 && (math.Abs(v) < 1e-3 || math.Abs(v) >= 1e6) {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", v), "0"), ".")
}
