package report

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/aladin-go/aladin/internal/atomicfile"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/validate"
)

//go:embed report.html.tmpl
var reportTemplate string

// Write draws DIR/report.html from DIR/metrics.jsonl: the curves of the losses and of validation, in
// one page without outside parts. A run without metrics has no report.
func Write(dir string) error {
	f, err := os.Open(filepath.Join(dir, "metrics.jsonl"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	r := readReport(f)
	t, err := template.New("report").Parse(reportTemplate)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, "report.html"), func(w io.Writer) error { return t.Execute(w, r) })
}

// A report is what the page shows.
type report struct {
	Title  string
	Charts []chart
	Rows   []reportRow
}

type reportRow struct {
	Step       int
	Validation *validate.Result
	Best       bool
}

// A chart is some curves over the steps, drawn as SVG.
type chart struct {
	Title  string
	Lines  []line
	MinY   string
	MaxY   string
	MaxX   int
	points map[string][][2]float64
	names  []string
}

type line struct {
	Name, Path string
	Class      int
}

func (c *chart) add(name string, x int, y float64) {
	if math.IsNaN(y) || math.IsInf(y, 0) {
		return
	}
	if c.points == nil {
		c.points = map[string][][2]float64{}
	}
	if c.points[name] == nil {
		c.names = append(c.names, name)
	}
	c.points[name] = append(c.points[name], [2]float64{float64(x), y})
}

// Size of a chart's plane in SVG units.
const (
	chartWidth  = 720
	chartHeight = 240
)

// draw turns points into paths; long curves are averaged down to the page's resolution.
func (c *chart) draw() {
	lo, hi := math.Inf(1), math.Inf(-1)
	for name, pts := range c.points {
		c.points[name] = thin(pts, chartWidth/2)
		for _, p := range c.points[name] {
			lo, hi = min(lo, p[1]), max(hi, p[1])
			c.MaxX = max(c.MaxX, int(p[0]))
		}
	}
	if hi <= lo {
		hi = lo + 1
	}
	c.MinY, c.MaxY = fmt.Sprintf("%.3g", lo), fmt.Sprintf("%.3g", hi)
	for i, name := range c.names {
		var path strings.Builder
		for k, p := range c.points[name] {
			op := "L"
			if k == 0 {
				op = "M"
			}
			fmt.Fprintf(&path, "%s%.1f %.1f", op, p[0]/float64(max(1, c.MaxX))*chartWidth, chartHeight-(p[1]-lo)/(hi-lo)*chartHeight)
		}
		c.Lines = append(c.Lines, line{name, path.String(), i % 5})
	}
}

// thin averages neighbours until at most n points are left.
func thin(pts [][2]float64, n int) [][2]float64 {
	group := (len(pts) + n - 1) / n
	if group <= 1 {
		return pts
	}
	var out [][2]float64
	for i := 0; i < len(pts); i += group {
		part := pts[i:min(i+group, len(pts))]
		var x, y float64
		for _, p := range part {
			x, y = x+p[0], y+p[1]
		}
		out = append(out, [2]float64{x / float64(len(part)), y / float64(len(part))})
	}
	return out
}

func readReport(r io.Reader) *report {
	out := &report{Title: "Training"}
	loss, recall, lr := chart{Title: "Losses"}, chart{Title: "Validation: sum of the six recalls"}, chart{Title: "Learning rate"}
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var e struct {
			Step   int                `json:"step"`
			Loss   map[string]float64 `json:"loss"`
			LR     float64            `json:"lr"`
			Result *validate.Result   `json:"validation"`
			Best   bool               `json:"best"`
		}
		if json.Unmarshal(s.Bytes(), &e) != nil {
			continue
		}
		for _, name := range append([]string{"total"}, config.KnownLosses...) {
			if v, ok := e.Loss[name]; ok {
				loss.add(name, e.Step, v)
			}
		}
		if e.Loss != nil {
			lr.add("lr", e.Step, e.LR)
		}
		if v := e.Result; v != nil {
			recall.add("matching", e.Step, v.Matching.RSum)
			recall.add("alignment", e.Step, v.Alignment.RSum)
			recall.add("re-ranked", e.Step, v.Rerank.RSum)
			out.Rows = append(out.Rows, reportRow{e.Step, v, e.Best})
		}
	}
	for _, c := range []chart{loss, recall, lr} {
		if len(c.names) > 0 {
			c.draw()
			out.Charts = append(out.Charts, c)
		}
	}
	return out
}
