package serve

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// apiDocument checks requests and answers against the OpenAPI document.
type apiDocument struct {
	doc      map[string]any
	compiler *jsonschema.Compiler
}

func readDocument(t testing.TB) *apiDocument {
	t.Helper()
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(openAPI))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	require.NoError(t, c.AddResource("openapi.json", raw))
	return &apiDocument{raw.(map[string]any), c}
}

func at(v any, path ...string) any {
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

// operation finds what the document says of a request; the pattern is the mux's.
func (d *apiDocument) operation(pattern string) map[string]any {
	method, path, _ := strings.Cut(pattern, " ")
	op, _ := at(d.doc, "paths", strings.ReplaceAll(path, "...", ""), strings.ToLower(method)).(map[string]any)
	return op
}

// validate holds JSON against a schema of the document, given as a pointer.
func (d *apiDocument) validate(t testing.TB, pointer string, data []byte) {
	t.Helper()
	schema, err := d.compiler.Compile("openapi.json#" + pointer)
	require.NoError(t, err)
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	require.NoError(t, err, string(data))
	assert.NoError(t, schema.Validate(v), string(data))
}

// conform holds an answer against the document.
func (d *apiDocument) conform(t testing.TB, s *Server, r *http.Request, rec *httptest.ResponseRecorder) {
	t.Helper()
	pattern := patternOf(s, r)
	if pattern == "" || pattern == "/" || strings.Contains(pattern, "/page/") || strings.HasSuffix(pattern, "{$}") || rec.Code == http.StatusMisdirectedRequest {
		return // not part of the API
	}
	op := d.operation(pattern)
	require.NotNil(t, op, "the document lacks %s", pattern)
	status := strconv.Itoa(rec.Code)
	response, ok := at(op, "responses", status).(map[string]any)
	require.True(t, ok, "the document lacks status %s of %s: %s", status, pattern, rec.Body)
	pointer := "/paths/" + escapePointer(strings.ReplaceAll(strings.Fields(pattern)[1], "...", "")) + "/" + strings.ToLower(strings.Fields(pattern)[0]) + "/responses/" + status
	if ref, ok := response["$ref"].(string); ok {
		pointer = strings.TrimPrefix(ref, "#")
		response = at(d.doc, strings.Split(strings.TrimPrefix(pointer, "/"), "/")...).(map[string]any)
	}
	if rec.Body.Len() == 0 {
		return
	}
	kind, _, err := mime.ParseMediaType(rec.Header().Get("Content-Type"))
	require.NoError(t, err)
	content, ok := at(response, "content", kind).(map[string]any)
	require.True(t, ok, "the document lacks type %s of %s %s", kind, pattern, status)
	if content["schema"] != nil && strings.HasSuffix(kind, "json") {
		d.validate(t, pointer+"/content/"+escapePointer(kind)+"/schema", rec.Body.Bytes())
	}
}

func escapePointer(s string) string {
	s = strings.NewReplacer("~", "~0", "/", "~1").Replace(s)
	return strings.NewReplacer("{", "%7B", "}", "%7D").Replace(s)
}

// patternOf is the pattern that answers a request.
func patternOf(s *Server, r *http.Request) string {
	mux := http.NewServeMux()
	for _, route := range s.table() {
		mux.HandleFunc(route.pattern, func(http.ResponseWriter, *http.Request) {})
	}
	_, pattern := mux.Handler(r)
	return pattern
}

func TestDocumentAndRoutesAgree(t *testing.T) {
	w := newWorld(t, 2, 64, 0)
	s := w.server(t, Options{})
	d := readDocument(t)
	var documented int
	for _, methods := range at(d.doc, "paths").(map[string]any) {
		documented += len(methods.(map[string]any))
	}
	ids := map[any]bool{}
	for _, r := range s.table() {
		op := d.operation(r.pattern)
		require.NotNil(t, op, r.pattern)
		assert.False(t, ids[op["operationId"]], "%v names two operations", op["operationId"])
		ids[op["operationId"]] = true
		_, free := op["security"]
		assert.Equal(t, r.open, free, "%s: does it want the token?", r.pattern)
		if !r.open {
			assert.NotNil(t, at(op, "responses", "401"), r.pattern)
		}
	}
	assert.Equal(t, documented, len(s.table()), "the document has operations that the server lacks")
	assert.Equal(t, "3.1.0", d.doc["openapi"])

	// Every schema compiles, and its references lead somewhere.
	for name := range at(d.doc, "components", "schemas").(map[string]any) {
		_, err := d.compiler.Compile("openapi.json#/components/schemas/" + name)
		assert.NoError(t, err)
	}
}

// Requests of the kinds that the document describes are requests that it allows.
func TestDocumentDescribesRequests(t *testing.T) {
	d := readDocument(t)
	no := false
	body, err := json.Marshal(searchRequest{Query: "a", WordWeights: []wordWeight{{0, 1, 2}}, Parts: []partSpec{{Item: "b", Weight: ptr[float32](-1)}, {Photo: "p"}},
		Tags: "x", Kinds: []string{"image"}, K: 3, Candidates: 9, Exact: true, Explain: &no})
	require.NoError(t, err)
	d.validate(t, "/components/schemas/SearchRequest", body)
}

func ptr[T any](v T) *T { return &v }
