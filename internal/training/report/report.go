package report

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"errors"
	"html/template"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aladin-go/aladin/internal/atomicfile"
	"github.com/aladin-go/aladin/internal/chart"
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
	Style  template.CSS // of charts
	Charts []*chart.Chart
	Rows   []reportRow
}

type reportRow struct {
	Step       int
	Validation *validate.Result
	Best       bool
}

func readReport(r io.Reader) *report {
	out := &report{Title: "Training", Style: chart.Style}
	over := func(title string) *chart.Chart {
		return &chart.Chart{Title: title, X: "step", RoomY: .02, Legend: true}
	}
	loss, recall, lr := over("Losses"), over("Validation: sum of the six recalls"), over("Learning rate")
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
				loss.Add(name, float64(e.Step), v)
			}
		}
		if e.Loss != nil {
			lr.Add("lr", float64(e.Step), e.LR)
		}
		if v := e.Result; v != nil {
			recall.Add("matching", float64(e.Step), v.Matching.RSum)
			recall.Add("alignment", float64(e.Step), v.Alignment.RSum)
			recall.Add("re-ranked", float64(e.Step), v.Rerank.RSum)
			out.Rows = append(out.Rows, reportRow{e.Step, v, e.Best})
		}
	}
	for _, c := range []*chart.Chart{loss, recall, lr} {
		if len(c.Series) > 0 {
			out.Charts = append(out.Charts, c)
		}
	}
	return out
}
