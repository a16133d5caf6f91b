package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The report of a run shows its curves and validations, and needs nothing from outside.
func TestWriteReport(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, Write(dir))
	_, err := os.Stat(filepath.Join(dir, "report.html"))
	require.ErrorIs(t, err, os.ErrNotExist, "a run without metrics has no report")

	var log strings.Builder
	for step := 1; step <= 2000; step++ {
		fmt.Fprintf(&log, `{"step":%d,"loss":{"total":%g,"alignment":1},"lr":0.001}`+"\n", step, 10/float64(step))
	}
	log.WriteString(`{"step":2000,"validation":{"matching":{"RSum":300},"alignment":{"RSum":310},"rsum":610},"best":true}` + "\n" + `{"step":20`)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "metrics.jsonl"), []byte(log.String()), 0o644))
	require.NoError(t, Write(dir))
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	require.NoError(t, err)
	require.NotRegexp(t, `(?i)(src|href)=|https?://`, string(page))
	require.Contains(t, string(page), `class="best"`)
	for _, curve := range []string{"total", "alignment", "matching", "re-ranked", "lr"} {
		require.Contains(t, string(page), ">"+curve+"</text>")
	}
	require.NotContains(t, string(page), "NaN")
	svg := regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(string(page), -1)
	require.Len(t, svg, 3)
	for _, s := range svg {
		d := xml.NewDecoder(strings.NewReader(s))
		for err = nil; err == nil; {
			_, err = d.Token()
		}
		require.ErrorIs(t, err, io.EOF)
	}
}
