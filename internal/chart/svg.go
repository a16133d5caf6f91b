package chart

import (
	"fmt"
	"html/template"
	"io"
	"strings"
)

// Style is the style sheet of charts, for a page that has them. It follows light and dark.
const Style template.CSS = `
svg.chart {
  --grid: #edf0f4; --soft: #5c6878; --ink: #1b2330;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #cc79a7; --c4: #b8860b; --c5: #2f9fd8; --c6: #6a5acd; --c7: #7a7a7a;
  width: 100%; height: auto; display: block; font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
@media (prefers-color-scheme: dark) {
  svg.chart {
    --grid: #232b36; --soft: #97a3b4; --ink: #e6eaf0;
    --c0: #56b4e9; --c1: #ff8c42; --c2: #2dc79a; --c3: #e6a0c8; --c4: #e6b422; --c5: #8fd0f5; --c6: #a99cf0; --c7: #a0a0a0;
  }
}
.chart .grid { stroke: var(--grid); } .chart .tick, .chart .name { fill: var(--soft); font-size: 11.5px; }
.chart .label { fill: var(--ink); font-size: 12px; } .chart .path { fill: none; stroke: var(--soft); opacity: .4; stroke-dasharray: 4 4; }
.chart .interval { stroke: var(--soft); stroke-width: 1.5; opacity: .6; } .chart .line { fill: none; stroke-width: 2; } .chart .dashed { stroke-dasharray: 6 4; opacity: .75; }
.chart .c0 { fill: var(--c0); } .chart .c1 { fill: var(--c1); } .chart .c2 { fill: var(--c2); } .chart .c3 { fill: var(--c3); }
.chart .c4 { fill: var(--c4); } .chart .c5 { fill: var(--c5); } .chart .c6 { fill: var(--c6); } .chart .c7 { fill: var(--c7); }
.chart .s0 { stroke: var(--c0); } .chart .s1 { stroke: var(--c1); } .chart .s2 { stroke: var(--c2); } .chart .s3 { stroke: var(--c3); }
.chart .s4 { stroke: var(--c4); } .chart .s5 { stroke: var(--c5); } .chart .s6 { stroke: var(--c6); } .chart .s7 { stroke: var(--c7); }
`

// HTML is the chart for a page with Style.
func (c *Chart) HTML() template.HTML {
	s := &svg{}
	name := c.Title
	if name == "" {
		name = c.Y + " against " + c.X
	}
	fmt.Fprintf(s, `<svg class="chart" viewBox="0 %d %d %d" role="img" aria-label="%s">`, -c.head(), width, height+c.head(), template.HTMLEscapeString(name))
	c.draw(s)
	s.WriteString(`</svg>`)
	return template.HTML(s.String())
}

// head is the room above the plane for a title.
func (c *Chart) head() int {
	if c.Title == "" {
		return 0
	}
	return titled
}

// WriteSVG writes the charts side by side as a file of its own.
func WriteSVG(w io.Writer, charts ...*Chart) error {
	s := &svg{}
	fmt.Fprintf(s, `<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 %d %d %d"><style>%s</style>`, -titled, width*len(charts), height+titled, Style)
	for k, c := range charts {
		fmt.Fprintf(s, `<g transform="translate(%d)">`, k*width)
		c.draw(s)
		s.WriteString(`</g>`)
	}
	s.WriteString("</svg>\n")
	_, err := io.WriteString(w, s.String())
	return err
}

// svg is the canvas of an SVG.
type svg struct{ strings.Builder }

func (s *svg) line(class string, colour int, points [][2]float64) {
	if colour >= 0 && strings.HasPrefix(class, "line") {
		class += fmt.Sprintf(" s%d", colour%colours)
	}
	fmt.Fprintf(s, `<polyline class="%s" points="`, class)
	for k, p := range points {
		if k > 0 {
			s.WriteByte(' ')
		}
		fmt.Fprintf(s, "%.1f,%.1f", p[0], p[1])
	}
	s.WriteString(`"/>`)
}

func (s *svg) dot(colour int, x, y float64, title string) {
	fmt.Fprintf(s, `<circle class="c%d" cx="%.1f" cy="%.1f" r="5"><title>%s</title></circle>`, colour%colours, x, y, template.HTMLEscapeString(title))
}

func (s *svg) text(class string, x, y float64, anchor, text string) {
	fmt.Fprintf(s, `<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`, class, x, y, anchor, template.HTMLEscapeString(text))
}
