package weaviate_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/weaviatetest"
	"github.com/aladin-go/aladin/weaviate"
)

// The suite on the fake. TestServer runs it on the real server.
func TestConformance(t *testing.T) {
	conform(t, weaviatetest.Start(t, 3, false).Address, func() {})
}

// small is a collection of n images on a fake.
func small(t *testing.T, c *weaviatetest.Cluster, n int, o *weaviate.Options) (*weaviate.Collection, *maker) {
	t.Helper()
	m := &maker{rand.New(rand.NewPCG(1, 1)), 8, 4}
	l, err := index.NewLayout(index.LayoutSpec{Model: "model-a", Dim: 8, TokenDim: 4})
	require.NoError(t, err)
	coll, err := weaviate.Create(t.Context(), c.Address("Small"), l, o, nil)
	require.NoError(t, err)
	t.Cleanup(func() { coll.Close() })
	w := coll.Writer()
	for i := range n {
		require.NoError(t, w.Add(t.Context(), index.Item{ID: fmt.Sprint("item ", i), Encoding: m.encoding(index.Image, 3)}))
	}
	require.NoError(t, w.Commit(t.Context()))
	return coll, m
}

// A node that is lost costs a retry, and no error.
func TestNodeLost(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	c := weaviatetest.Start(t, 3, false)
	coll, m := small(t, c, 50, nil)
	for i := range 60 {
		if i == 20 {
			c.Nodes[1].Stop()
		}
		hits, err := coll.Search(t.Context(), m.query(), nil)
		require.NoError(t, err)
		require.Len(t, hits, 10)
		w := coll.Writer()
		require.NoError(t, w.Add(t.Context(), index.Item{ID: fmt.Sprint("new ", i), Encoding: m.encoding(index.Image, 3)}))
		require.NoError(t, w.Commit(t.Context()))
	}
	assert.Zero(t, coll.Len(), "as it was counted last")
	changed, err := coll.Refresh(t.Context())
	require.NoError(t, err)
	assert.True(t, changed)
	assert.Equal(t, 110, coll.Len())

	c.Nodes[0].Stop()
	c.Nodes[2].Stop()
	_, err = coll.Search(t.Context(), m.query(), nil)
	require.Error(t, err)
	require.NoError(t, coll.Close())
	_, err = coll.Search(t.Context(), m.query(), nil)
	require.ErrorIs(t, err, index.ErrClosed)
}

// One retry elsewhere, and none for what another node would refuse as well.
func TestRetries(t *testing.T) {
	c := weaviatetest.Start(t, 2, false)
	coll, m := small(t, c, 20, nil)
	all := func(f func(string) *weaviatetest.Fault) {
		for _, n := range c.Nodes {
			n.SetFault(f)
		}
	}
	searches := func() int { return c.Nodes[0].Calls("Search") + c.Nodes[1].Calls("Search") }
	for _, f := range []struct {
		fault weaviatetest.Fault
		calls int
		err   string
	}{
		{weaviatetest.Fault{Code: 14, Message: "shard not ready"}, 2, "shard not ready"},
		{weaviatetest.Fault{Code: 3, Message: "no such property"}, 1, "no such property"},
		{weaviatetest.Fault{Code: 16, Message: "who are you"}, 1, "who are you"},
		{weaviatetest.Fault{Drop: true}, 2, "INTERNAL_ERROR"},
		{weaviatetest.Fault{Raw: []byte{0, 0xff, 0xff, 0xff, 0xff}}, 2, "a reply of 4294967295 bytes"},
		{weaviatetest.Fault{Raw: []byte{0, 0, 0, 1, 0, 1}}, 2, "ends after 1"},
		{weaviatetest.Fault{Raw: []byte{1, 0, 0, 0, 1, 1}}, 2, "compressed"},
		{weaviatetest.Fault{Raw: []byte{0, 0, 0, 0, 0, 1}}, 2, "more than one message"},
		{weaviatetest.Fault{Raw: []byte{0}}, 2, "without a message"},
		{weaviatetest.Fault{Reply: []byte{0xff}}, 1, "no message of the kind"},
		{weaviatetest.Fault{Reply: []byte(strings.Repeat("\x12\x00", 2000))}, 1, "more than the"},
	} {
		all(func(string) *weaviatetest.Fault { fault := f.fault; return &fault })
		before := searches()
		_, err := coll.Search(t.Context(), m.query(), &index.SearchOptions{NoExplain: true})
		require.ErrorContains(t, err, f.err)
		assert.Equal(t, f.calls, searches()-before, f.err)
	}
	failures := 0
	all(func(string) *weaviatetest.Fault {
		if failures++; failures == 1 {
			return &weaviatetest.Fault{Drop: true}
		}
		return nil
	})
	_, err := coll.Search(t.Context(), m.query(), nil)
	require.NoError(t, err)
}

// What fails of a batch is written again, and named if it fails for good.
func TestPartialFailures(t *testing.T) {
	c := weaviatetest.Start(t, 2, false)
	coll, m := small(t, c, 0, nil)
	left := 3
	for _, n := range c.Nodes {
		n.SetFault(func(method string) *weaviatetest.Fault {
			if method != "BatchObjects" || left == 0 {
				return nil
			}
			left--
			return &weaviatetest.Fault{FailIDs: left}
		})
	}
	w := coll.Writer()
	for i := range 5 {
		require.NoError(t, w.Add(t.Context(), index.Item{ID: fmt.Sprint(i), Encoding: m.encoding(index.Image, 1)}))
	}
	require.NoError(t, w.Commit(t.Context()))
	_, err := coll.Refresh(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 5, coll.Len())

	for _, n := range c.Nodes {
		n.SetFault(func(method string) *weaviatetest.Fault {
			if method == "BatchObjects" {
				return &weaviatetest.Fault{FailIDs: 2}
			}
			return nil
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond) // it would try for seconds
	defer cancel()
	for i := range 4 {
		require.NoError(t, w.Add(ctx, index.Item{ID: fmt.Sprint("late ", i), Encoding: m.encoding(index.Image, 1)}))
	}
	err = w.Commit(ctx)
	var failed *weaviate.WriteError
	require.ErrorAs(t, err, &failed)
	require.ErrorIs(t, err, weaviate.ErrNotWritten)
	assert.Equal(t, []string{"late 0", "late 1"}, failed.IDs)
	assert.ErrorContains(t, err, "cannot reach replica")
	require.NoError(t, w.Close())
	require.ErrorIs(t, w.Add(t.Context(), index.Item{ID: "x", Encoding: &index.Encoding{Matching: []float32{1}}}), index.ErrInvalid)
}

// Keys and certificates.
func TestSecurity(t *testing.T) {
	c := weaviatetest.Start(t, 1, true)
	c.Key = "sesame"
	address := strings.Replace(c.Address("Small"), "weaviate://", "weaviates://", 1)
	trust := c.Client().Transport.(*http.Transport).TLSClientConfig
	l, err := index.NewLayout(index.LayoutSpec{Model: "model-a", Dim: 8})
	require.NoError(t, err)
	_, err = weaviate.Create(t.Context(), address, l, &weaviate.Options{APIKey: "sesame"}, nil)
	require.ErrorContains(t, err, "certificate")
	_, err = weaviate.Create(t.Context(), address, l, &weaviate.Options{TLS: trust}, nil)
	require.ErrorContains(t, err, "no key")
	coll, err := weaviate.Create(t.Context(), address, l, &weaviate.Options{TLS: trust, APIKey: "sesame"}, nil)
	require.NoError(t, err)
	require.NoError(t, coll.Close())
	t.Setenv("WEAVIATE_API_KEY", "sesame")
	coll, err = weaviate.Open(t.Context(), address, &weaviate.Options{TLS: trust, Model: "model-a"})
	require.NoError(t, err)
	require.NoError(t, coll.Close())
	_, err = weaviate.Open(t.Context(), address, &weaviate.Options{TLS: trust, Model: "model-b"})
	require.ErrorIs(t, err, index.ErrModelMismatch)
	_, err = weaviate.Create(t.Context(), address, l, &weaviate.Options{TLS: trust}, nil)
	require.ErrorIs(t, err, weaviate.ErrExists)
	require.NoError(t, weaviate.Drop(t.Context(), address, &weaviate.Options{TLS: trust}))
	_, err = weaviate.Open(t.Context(), address, &weaviate.Options{TLS: trust})
	require.ErrorIs(t, err, index.ErrNotIndex)
	require.ErrorIs(t, weaviate.Drop(t.Context(), address, &weaviate.Options{TLS: trust}), index.ErrNotIndex)
}

// What somebody else made is neither read nor deleted.
func TestForeign(t *testing.T) {
	c := weaviatetest.Start(t, 1, false)
	for schema, want := range map[string]error{
		`{"class": "Small", "description": "my photos"}`:                            index.ErrNotIndex,
		`{"class": "Small", "description": "{\"aladin\": 99}"}`:                     index.ErrVersion,
		`{"class": "Small", "description": "{\"aladin\": 1, \"match\": \"int8\"}"}`: index.ErrNotIndex,
		`{"class": "Small", "description": "{\"aladin\": 1, \"match\": \"int8\", \"dim\": -1}", "vectorConfig": {"matching": {"vectorIndexConfig": {"distance": "dot"}}}}`: index.ErrInvalid,
	} {
		c.Nodes[0].SetFault(func(method string) *weaviatetest.Fault {
			if method == "GET /v1/schema/Small" {
				return &weaviatetest.Fault{Raw: []byte(schema)}
			}
			return nil
		})
		_, err := weaviate.Open(t.Context(), c.Address("Small"), nil)
		require.ErrorIs(t, err, want, schema)
		if want != index.ErrInvalid {
			require.ErrorIs(t, weaviate.Drop(t.Context(), c.Address("Small"), nil), want)
		}
	}
	for _, raw := range []string{"", "[]", "{", strings.Repeat(" ", 9<<20)} {
		c.Nodes[0].SetFault(func(string) *weaviatetest.Fault { return &weaviatetest.Fault{Raw: []byte(raw)} })
		_, err := weaviate.Open(t.Context(), c.Address("Small"), nil)
		require.Error(t, err)
	}
}

// Calls end with their context, and a node that says nothing is left after a while.
func TestSilentNode(t *testing.T) {
	c := weaviatetest.Start(t, 2, false)
	coll, m := small(t, c, 20, &weaviate.Options{Timeout: 200 * time.Millisecond})
	release := make(chan struct{})
	defer close(release)
	c.Nodes[0].SetFault(func(string) *weaviatetest.Fault { <-release; return nil })
	for range 3 {
		_, err := coll.Search(t.Context(), m.query(), nil)
		require.NoError(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := coll.Search(ctx, m.query(), nil)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, coll.Writer().Add(ctx, index.Item{ID: "x", Encoding: m.encoding(index.Image, 1)}), context.Canceled)
}

// When a shard is on no node, there is an error and no answer without its items.
func TestShardLost(t *testing.T) {
	c := weaviatetest.Start(t, 1, false)
	coll, m := small(t, c, 20, nil)
	nodes := `{"nodes": [{"status": "HEALTHY", "shards": [{"name": "s1"}]}, {"status": "UNHEALTHY", "shards": [{"name": "s2"}]}]}`
	lost := func(method string) *weaviatetest.Fault {
		if method == "GET /v1/nodes/Small" {
			return &weaviatetest.Fault{Raw: []byte(nodes)}
		}
		return nil
	}
	c.Nodes[0].SetFault(lost)
	require.Eventually(t, func() bool {
		_, err := coll.Search(t.Context(), m.query(), nil)
		return errors.Is(err, weaviate.ErrPartial)
	}, 10*time.Second, 50*time.Millisecond)
	_, err := coll.Info(t.Context())
	require.ErrorIs(t, err, weaviate.ErrPartial)
	c.Nodes[0].SetFault(nil)
	require.Eventually(t, func() bool {
		_, err := coll.Search(t.Context(), m.query(), nil)
		return err == nil
	}, 10*time.Second, 50*time.Millisecond)
}

// A large recall is fetched in parts; what the engine cannot do is refused.
func TestBounds(t *testing.T) {
	c := weaviatetest.Start(t, 1, false)
	coll, m := small(t, c, 1500, nil)
	hits, err := coll.Search(t.Context(), m.query(), &index.SearchOptions{K: 1200, MatchOnly: true})
	require.NoError(t, err)
	require.Len(t, hits, 1200)
	deep := index.Tag("a")
	for range 200 {
		deep = index.Not(index.And(deep, index.Tag("b")))
	}
	for _, o := range []*index.SearchOptions{{Tags: deep}, {IDs: make([]string, 20_000)}, {Exact: true}, {Probe: 3}} {
		if o.IDs != nil {
			for i := range o.IDs {
				o.IDs[i] = fmt.Sprint(i)
			}
		}
		_, err = coll.Search(t.Context(), m.query(), o)
		require.ErrorIs(t, err, index.ErrInvalid)
	}
}
