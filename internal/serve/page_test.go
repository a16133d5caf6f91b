package serve

import (
	"bytes"
	"encoding/xml"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The page must work under the policy that it is served with, and without any
// other server.
func TestPageKeepsToItsPolicy(t *testing.T) {
	elsewhere := regexp.MustCompile(`(?:https?:)?//[a-z]`)
	files := 0
	require.NoError(t, fs.WalkDir(page, "page", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		data, err := page.ReadFile(p)
		require.NoError(t, err)
		text := strings.ReplaceAll(string(data), "http://www.w3.org/2000/svg", "")
		for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "javascript:", "@import"} {
			assert.NotContains(t, text, bad, p)
		}
		if path.Ext(p) != ".js" { // there "//" begins a comment
			assert.Empty(t, elsewhere.FindAllString(text, -1), p)
		}
		assert.LessOrEqual(t, strings.Count(text, "\n"), 500, p)
		return nil
	}))
	require.Greater(t, files, 10)
}

func TestPageMarkup(t *testing.T) {
	data, err := page.ReadFile("page/index.html")
	require.NoError(t, err)
	d := xml.NewDecoder(bytes.NewReader(data))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	ids := map[string]bool{}
	var refs, open []string
	for {
		tok, err := d.RawToken()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		switch e := tok.(type) {
		case xml.StartElement:
			if !slices.Contains(xml.HTMLAutoClose, e.Name.Local) {
				open = append(open, e.Name.Local)
			}
			for _, a := range e.Attr {
				switch name := a.Name.Local; {
				case name == "id":
					assert.False(t, ids[a.Value], "id %s twice", a.Value)
					ids[a.Value] = true
				case name == "for" || name == "aria-labelledby" || name == "aria-controls" || name == "aria-describedby":
					refs = append(refs, a.Value)
				case name == "style" || strings.HasPrefix(name, "on"):
					t.Errorf("<%s %s> is what the policy forbids", e.Name.Local, name)
				case (name == "href" || name == "src") && strings.HasPrefix(a.Value, "page/"):
					_, err := page.ReadFile(a.Value)
					assert.NoError(t, err)
				}
			}
		case xml.EndElement:
			if slices.Contains(xml.HTMLAutoClose, e.Name.Local) {
				continue
			}
			require.NotEmpty(t, open)
			require.Equal(t, open[len(open)-1], e.Name.Local, "closed out of turn")
			open = open[:len(open)-1]
		}
	}
	assert.Empty(t, open)
	for _, r := range refs {
		if r != "detail-title" { // made when the dialog opens
			assert.True(t, ids[r], "no element has the id %s", r)
		}
	}
}
