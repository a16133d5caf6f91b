package serve

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/weaviatetest"
	"github.com/aladin-go/aladin/weaviate"
)

// A server of a collection in an engine answers as one of the file does, and notices what others write.
func TestEngine(t *testing.T) {
	w := newWorld(t, 12, 96, 2)
	fake := weaviatetest.Start(t, 2, false)
	ofFile := w.server(t, Options{})
	file := w.open(t)
	l, err := file.Layout(t.Context())
	require.NoError(t, err)
	engine, err := weaviate.Create(t.Context(), fake.Address("Scenes"), l, nil, nil)
	require.NoError(t, err)
	t.Cleanup(func() { engine.Close() })
	writer := engine.Writer()
	for p, err := range file.Packed(t.Context()) {
		require.NoError(t, err)
		require.NoError(t, writer.AddPacked(t.Context(), p))
	}
	require.NoError(t, writer.Commit(t.Context()))
	s, err := New(t.Context(), &aladin.Collection{Model: w.model, Index: engine}, "", &Options{Images: w.dir, Poll: 50 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })

	answer := func(s *Server, url string) map[string]any {
		rec := get(s, url)
		require.Equal(t, http.StatusOK, rec.Code, "%s: %s", url, rec.Body)
		var out map[string]any
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &out))
		delete(out, "elapsed_ms")
		delete(out, "generation")
		return out
	}
	tags, err := file.Tags(t.Context())
	require.NoError(t, err)
	for _, url := range []string{
		"/api/search?q=a+red+ball", "/api/search?q=a+red+ball+without+grass&k=3&offset=2", "/api/search?q=a+ball&kind=caption", "/api/search?q=a+ball&tags=not+" + tags[0].Tag[:2],
		"/api/search?like=scene+001.png&k=4", "/api/items/scene%20001.png", "/api/tags",
	} {
		assert.Equal(t, answer(ofFile, url), answer(s, url), url)
	}
	require.Equal(t, http.StatusNotFound, get(s, "/api/items/nobody").Code)

	ctx, stop := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() { defer close(watched); s.Watch(ctx) }()
	it, err := file.Item(t.Context(), "scene 001.png")
	require.NoError(t, err)
	require.NoError(t, writer.Add(t.Context(), index.Item{ID: "new", Encoding: it.Encoding}))
	require.NoError(t, writer.Commit(t.Context()))
	require.Eventually(t, func() bool {
		return answer(s, "/api/info")["index"].(map[string]any)["items"].(float64) == float64(file.Len()+1)
	}, 10*time.Second, 20*time.Millisecond)
	stop()
	<-watched

	for _, n := range fake.Nodes {
		n.Stop()
	}
	rec := get(s, "/api/search?q=a+red+ball")
	require.Equal(t, http.StatusServiceUnavailable, rec.Code, rec.Body)
	require.Contains(t, rec.Body.String(), `"unavailable"`)
	require.Equal(t, http.StatusServiceUnavailable, get(s, "/healthz").Code)
}
