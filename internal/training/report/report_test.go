package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
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
	paths := regexp.MustCompile(`<path class="c\d" d="([^"]+)"/>`).FindAllStringSubmatch(string(page), -1)
	require.Len(t, paths, 6, "two losses, three recalls and the rate")
	for _, p := range paths {
		require.NotContains(t, p[1], "NaN")
		require.LessOrEqual(t, strings.Count(p[1], "L"), chartWidth/2, "long curves are thinned")
	}
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

func TestThin(t *testing.T) {
	var pts [][2]float64
	for i := range 10 {
		pts = append(pts, [2]float64{float64(i), float64(i * i)})
	}
	require.Equal(t, pts, thin(pts, 10))
	require.Equal(t, [][2]float64{{1.5, 3.5}, {5.5, 31.5}, {8.5, 72.5}}, thin(pts, 3))

	c := chart{}
	c.add("x", 1, math.NaN())
	require.Empty(t, c.names, "what is not finite has no place")
	c.add("x", 1, 5)
	c.draw()
	require.Equal(t, []string{"5", "6"}, []string{c.MinY, c.MaxY}, "a flat curve has a plane, too")
}
