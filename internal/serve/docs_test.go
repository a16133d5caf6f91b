package serve

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
)

// arguments splits a line as a shell does, for lines without anything special.
func arguments(line string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`'([^']*)'|(\S+)`).FindAllStringSubmatch(line, -1) {
		out = append(out, m[1]+m[2])
	}
	return out
}

// Every curl of the documentation is answered, as the OpenAPI document says.
func TestDocumentedRequests(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "server.md"))
	require.NoError(t, err)
	w := newWorld(t, 6, 64, 0)
	photo, err := os.ReadFile(filepath.Join(w.dir, w.id(1)))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, "dog.jpg"), photo, 0o644))
	b, err := index.OpenWriter(w.path, nil)
	require.NoError(t, err)
	require.NoError(t, b.Add(context.Background(), index.Item{ID: "dog.jpg", Encoding: w.model.known[1].enc, Tags: []string{"holiday"}}))
	require.NoError(t, b.Commit(context.Background()))
	require.NoError(t, b.Close())
	s := w.server(t, Options{})
	doc := readDocument(t)
	ran := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllSubmatch(text, -1) {
		for _, line := range strings.Split(strings.TrimSpace(string(block[1])), "\n") {
			args := arguments(line)
			require.Equal(t, "curl", args[0], line)
			method, body, kind, url, request := http.MethodGet, "", "", "", ""
			photos := map[string][]byte{}
			for i := 1; i < len(args); i++ {
				switch args[i] {
				case "-H":
					i++
					_, kind, _ = strings.Cut(args[i], ": ")
				case "-d":
					i++
					method, body = http.MethodPost, args[i]
				case "-F":
					i++
					method = http.MethodPost
					name, value, _ := strings.Cut(args[i], "=")
					if strings.HasPrefix(value, "@") {
						photos[name] = photo
					} else {
						request = value
					}
				default:
					url = strings.TrimPrefix(args[i], "http://127.0.0.1:8080")
				}
			}
			r := httptest.NewRequest(method, url, strings.NewReader(body))
			if len(photos) > 0 {
				data, formKind := form(t, request, photos)
				r = httptest.NewRequest(method, url, data)
				kind = formKind
			}
			r.Header.Set("Content-Type", kind)
			rec := call(s, r)
			assert.Equal(t, http.StatusOK, rec.Code, "%s\n%s", line, rec.Body)
			assert.NotContains(t, rec.Body.String(), `"hits":[]`, line)
			doc.conform(t, s, r, rec)
			ran++
		}
	}
	require.Greater(t, ran, 10)
	// The answer that is shown has the fields that answers have.
	shown := regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(text)
	require.NotNil(t, shown)
	answer := decode[map[string]any](t, get(s, "/api/search?q=a+red+ball+without+grass&k=3").Body.Bytes())
	assert.Empty(t, unknownFields("", decode[map[string]any](t, bytes.TrimSpace(shown[1])), answer))
}

// unknownFields lists the fields of a that b lacks; of lists, the first elements
// are compared.
func unknownFields(path string, a, b any) (missing []string) {
	switch x := a.(type) {
	case map[string]any:
		y, _ := b.(map[string]any)
		for k, v := range x {
			if y[k] == nil {
				missing = append(missing, path+"."+k)
				continue
			}
			missing = append(missing, unknownFields(path+"."+k, v, y[k])...)
		}
	case []any:
		if y, _ := b.([]any); len(x) > 0 && len(y) > 0 {
			return unknownFields(path+"[]", x[0], y[0])
		}
	}
	return missing
}
