package serve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// rawJSON is metadata as the user stored it.
type rawJSON = json.RawMessage

// writeJSON answers with v. It is encoded before anything is sent, so that an
// error can still become an answer.
func writeJSON(w http.ResponseWriter, v any) error {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(buf.Len()))
	_, _ = w.Write(buf.Bytes()) // the client may be gone; that is its affair
	return nil
}
