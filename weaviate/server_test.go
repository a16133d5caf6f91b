//go:build linux

package weaviate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/weaviate"
)

// serverVariable names the server's binary, for the tests on real nodes; scripts/weaviate installs it.
const serverVariable = "ALADIN_WEAVIATE_SERVER"

// cluster is some real nodes on loopback.
type cluster struct {
	t    testing.TB
	bin  string
	dir  string
	base int // the first of their ports
	cmds []*exec.Cmd
}

// Ports of node i, from the base: each kind apart, because Weaviate derives some from others.
func (c *cluster) rest(i int) int   { return c.base + i }
func (c *cluster) grpc(i int) int   { return c.base + 10 + i }
func (c *cluster) gossip(i int) int { return c.base + 20 + 2*i } // and data, the next one
func (c *cluster) raft(i int) int   { return c.base + 30 + 2*i } // and its calls, the next one

func startCluster(t testing.TB, nodes int) *cluster {
	t.Helper()
	bin := os.Getenv(serverVariable)
	if bin == "" {
		t.Skip("set " + serverVariable + " to the binary of weaviate-server, which scripts/weaviate installs")
	}
	c := &cluster{t: t, bin: bin, dir: t.TempDir(), cmds: make([]*exec.Cmd, nodes)}
	for free := false; !free; {
		c.base = 20_000 + 40*rand.IntN(500)
		free = true
		for p := range 40 {
			ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", c.base+p))
			if free = free && err == nil; err == nil {
				require.NoError(t, ln.Close())
			}
		}
	}
	t.Cleanup(func() {
		for i := range c.cmds {
			c.kill(i)
		}
		if t.Failed() {
			for i := range c.cmds {
				log, _ := os.ReadFile(filepath.Join(c.dir, fmt.Sprintf("log%d", i)))
				t.Logf("node %d: %s", i, log[max(0, len(log)-2000):])
			}
		}
	})
	c.start(0)
	// The others join through node 0, and give up if it does not listen yet.
	c.await("the gossip of node 0", func() error {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", c.gossip(0)))
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	for i := 1; i < nodes; i++ {
		c.start(i)
	}
	for i := range c.cmds {
		c.ready(i)
	}
	return c
}

func (c *cluster) start(i int) {
	log, err := os.OpenFile(filepath.Join(c.dir, fmt.Sprintf("log%d", i)), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	require.NoError(c.t, err)
	defer log.Close()
	var join []string
	for k := range c.cmds {
		join = append(join, fmt.Sprintf("node%d:%d", k, c.raft(k)))
	}
	cmd := exec.Command(c.bin, "--host", "127.0.0.1", "--port", fmt.Sprint(c.rest(i)), "--scheme", "http")
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // they outlive no test that times out
	for name, v := range map[string]any{
		"PERSISTENCE_DATA_PATH": filepath.Join(c.dir, fmt.Sprintf("data%d", i)), "CLUSTER_HOSTNAME": fmt.Sprintf("node%d", i),
		"CLUSTER_IN_LOCALHOST": true, "CLUSTER_ADVERTISE_ADDR": "127.0.0.1", "CLUSTER_BIND_ADDR": "127.0.0.1",
		"CLUSTER_GOSSIP_BIND_PORT": c.gossip(i), "CLUSTER_DATA_BIND_PORT": c.gossip(i) + 1,
		"RAFT_PORT": c.raft(i), "RAFT_INTERNAL_RPC_PORT": c.raft(i) + 1, "RAFT_JOIN": strings.Join(join, ","), "RAFT_BOOTSTRAP_EXPECT": len(c.cmds),
		"ASYNC_REPLICATION_FREQUENCY": "5s", "ASYNC_REPLICATION_PROPAGATION_DELAY": "5s",
		"GRPC_PORT": c.grpc(i), "GO_PROFILING_DISABLE": true, "DISABLE_TELEMETRY": true, "LOG_LEVEL": "warning",
		"AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": true, "DEFAULT_VECTORIZER_MODULE": "none",
	} {
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%v", name, v))
	}
	if i > 0 {
		cmd.Env = append(cmd.Env, fmt.Sprintf("CLUSTER_JOIN=127.0.0.1:%d", c.gossip(0)))
	}
	require.NoError(c.t, cmd.Start())
	c.cmds[i] = cmd
}

// kill is kill -9.
func (c *cluster) kill(i int) {
	if cmd := c.cmds[i]; cmd != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		c.cmds[i] = nil
	}
}

func (c *cluster) ready(i int) {
	c.await(fmt.Sprintf("node %d", i), func() error {
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/v1/.well-known/ready", c.rest(i)))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	})
}

// await waits a minute at most.
func (c *cluster) await(what string, ready func() error) time.Duration {
	c.t.Helper()
	began := time.Now()
	for {
		err := ready()
		if err == nil {
			return time.Since(began)
		}
		if time.Since(began) > time.Minute {
			require.NoError(c.t, err, "waiting for %s", what)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// address is that of a class on some nodes; on all, if none is named.
func (c *cluster) address(class string, nodes ...int) string {
	if len(nodes) == 0 {
		for i := range c.cmds {
			nodes = append(nodes, i)
		}
	}
	var hosts []string
	for _, i := range nodes {
		hosts = append(hosts, fmt.Sprintf("127.0.0.1:%d:%d", c.rest(i), c.grpc(i)))
	}
	return "weaviate://" + strings.Join(hosts, ",") + "/" + class
}

// The suite and a life with the loss of a node, on the real server.
func TestServer(t *testing.T) {
	c := startCluster(t, 3)
	t.Run("conformance", func(t *testing.T) {
		conform(t, func(class string) string { return c.address(class) }, func() { time.Sleep(2 * time.Second) })
	})
	t.Run("alias", func(t *testing.T) { aliasOf(t, c) })
	t.Run("life", func(t *testing.T) { life(t, c) })
}

// aliasOf opens a collection by another name, as after the upgrade of a model.
func aliasOf(t *testing.T, c *cluster) {
	body := fmt.Sprintf(`{"alias": "Current", "class": "Conform%d"}`, index.FourBit)
	resp, err := http.Post(fmt.Sprintf("http://127.0.0.1:%d/v1/aliases", c.rest(0)), "application/json", strings.NewReader(body))
	require.NoError(t, err)
	said, err := io.ReadAll(resp.Body)
	require.NoError(t, errors.Join(err, resp.Body.Close()))
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s", said)
	coll, err := weaviate.Open(t.Context(), c.address("Current"), nil)
	require.NoError(t, err)
	defer coll.Close()
	require.Positive(t, coll.Len())
	w := coll.Writer()
	m := &maker{rand.New(rand.NewPCG(9, 9)), 40, 24}
	require.NoError(t, w.Add(t.Context(), index.Item{ID: "by its alias", Encoding: m.encoding(index.Image, 2)}))
	require.NoError(t, w.Commit(t.Context()))
	hits, err := coll.Search(t.Context(), m.query(), &index.SearchOptions{IDs: []string{"by its alias"}})
	require.NoError(t, err)
	require.Len(t, hits, 1)
}

// life ingests 2000 items, compares with the file, loses a node, goes on and gets the node back.
func life(t *testing.T, c *cluster) {
	ctx := t.Context()
	const items, candidates = 2000, 200
	m := &maker{rand.New(rand.NewPCG(3, 4)), 128, 64}
	path := filepath.Join(t.TempDir(), "life.aladin")
	b, err := index.NewBuilder(path, &index.BuildOptions{Regions: index.FourBit})
	require.NoError(t, err)
	for i := range items {
		require.NoError(t, b.Add(ctx, index.Item{ID: fmt.Sprintf("item %05d", i), Encoding: m.encoding(index.Image, 12), Tags: []string{fmt.Sprint("t", i%7)}}))
	}
	require.NoError(t, b.Finish(ctx))
	file, err := index.Open(path, nil)
	require.NoError(t, err)
	defer file.Close()
	l, err := file.Layout(ctx)
	require.NoError(t, err)
	coll, err := weaviate.Create(ctx, c.address("Life"), l, nil, nil)
	require.NoError(t, err)
	defer coll.Close()
	w := coll.Writer()
	began := time.Now()
	for p, err := range file.Packed(ctx) {
		require.NoError(t, err)
		require.NoError(t, w.AddPacked(ctx, p))
	}
	require.NoError(t, w.Commit(ctx))
	t.Logf("%d items in %v", items, time.Since(began).Round(time.Millisecond))
	time.Sleep(time.Second)

	same, all := 0, 0
	for range 50 {
		q := m.query()
		q.Kind, q.Untrained = index.Caption, false
		want, err := file.Search(ctx, q, &index.SearchOptions{K: candidates, Exact: true, MatchOnly: true})
		require.NoError(t, err)
		got, err := coll.Search(ctx, q, &index.SearchOptions{K: candidates, MatchOnly: true})
		require.NoError(t, err)
		require.Len(t, got, candidates)
		scores := map[string]float32{}
		for _, h := range want {
			scores[h.ID] = h.Match
		}
		for _, h := range got {
			if s, ok := scores[h.ID]; ok {
				require.Equal(t, s, h.Match)
				same++
			}
		}
		all += candidates
		ids := make([]string, len(got))
		for i := range got {
			ids[i] = got[i].ID
		}
		want, err = file.Search(ctx, q, &index.SearchOptions{K: candidates, IDs: ids})
		require.NoError(t, err)
		got, err = coll.Search(ctx, q, &index.SearchOptions{K: candidates, IDs: ids})
		require.NoError(t, err)
		for i := range want {
			require.Equal(t, []float32{want[i].Match, want[i].Align, want[i].Coverage, want[i].Score}, []float32{got[i].Match, got[i].Align, got[i].Coverage, got[i].Score})
			require.Equal(t, want[i].Words, got[i].Words)
		}
	}
	t.Logf("of the exact %d candidates the engine recalls %.4f", candidates, float64(same)/float64(all))
	require.GreaterOrEqual(t, float64(same)/float64(all), 0.99)

	// A collection without replicas says so when a shard is out of reach.
	lone, err := weaviate.Create(ctx, c.address("Lone"), l, nil, &weaviate.CreateOptions{Replicas: 1, Shards: 3})
	require.NoError(t, err)
	defer lone.Close()
	lw := lone.Writer()
	for i := range 60 {
		require.NoError(t, lw.Add(ctx, index.Item{ID: fmt.Sprint(i), Encoding: m.encoding(index.Image, 2)}))
	}
	require.NoError(t, lw.Commit(ctx))

	// Searches go on through the loss.
	searching, stop := context.WithCancel(ctx)
	defer stop()
	var searches, failures atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		sm := &maker{rand.New(rand.NewPCG(30, 40)), 128, 64}
		for searching.Err() == nil {
			hits, err := coll.Search(searching, sm.query(), nil)
			if searching.Err() != nil {
				return
			}
			searches.Add(1)
			// A hit that is deleted between recall and explanation is left out.
			if err != nil || len(hits) < index.DefaultK-3 {
				failures.Add(1)
				t.Logf("search %d: %d hits, %v", searches.Load(), len(hits), err)
			}
		}
	}()
	time.Sleep(300 * time.Millisecond)
	c.kill(1)
	added, deleted := []string{}, []string{}
	for i := range 100 {
		id := fmt.Sprintf("while away %d", i)
		require.NoError(t, w.Add(ctx, index.Item{ID: id, Encoding: m.encoding(index.Image, 4)}))
		added = append(added, id)
	}
	require.NoError(t, w.Commit(ctx))
	for i := 0; i < 200; i += 10 {
		id := fmt.Sprintf("item %05d", i)
		require.NoError(t, w.Delete(ctx, id))
		deleted = append(deleted, id)
	}
	for i := 1; i < 200; i += 10 {
		require.NoError(t, w.Update(ctx, fmt.Sprintf("item %05d", i), func(f *index.Fields) { f.Tags = []string{"changed"} }))
	}
	require.NoError(t, w.Commit(ctx))
	c.await("the lost shard to be noticed", func() error {
		if _, err := lone.Search(ctx, m.query(), nil); !errors.Is(err, weaviate.ErrPartial) {
			return fmt.Errorf("an answer without a shard: %v", err)
		}
		return nil
	})

	c.start(1)
	c.ready(1)
	check := func(node int) error {
		one, err := weaviate.Open(ctx, c.address("Life", node), nil)
		if err != nil {
			return err
		}
		defer one.Close()
		have, err := one.Have(ctx, slices.Concat(added, deleted))
		slices.Sort(have)
		if want := slices.Sorted(slices.Values(added)); err == nil && !slices.Equal(want, have) {
			err = fmt.Errorf("node %d has %d of %d items that were added or deleted", node, len(have), len(want))
		}
		if err == nil && one.Len() != items+len(added)-len(deleted) {
			err = fmt.Errorf("node %d counts %d items, want %d", node, one.Len(), items+len(added)-len(deleted))
		}
		if err == nil {
			var f *index.Fields
			if f, err = one.Fields(ctx, "item 00001"); err == nil && !slices.Equal(f.Tags, []string{"changed"}) {
				err = fmt.Errorf("node %d has the tags %q", node, f.Tags)
			}
		}
		return err
	}
	took := c.await("node 1 to be in step", func() error { return check(1) })
	t.Logf("the node is in step after %v", took.Round(time.Millisecond))
	for i := range c.cmds {
		require.NoError(t, check(i), "nothing that was acknowledged is lost")
	}
	stop()
	<-done
	t.Logf("%d searches, %d failed", searches.Load(), failures.Load())
	assert.Zero(t, failures.Load())
	assert.Greater(t, searches.Load(), int64(50))
	var out bytes.Buffer
	for i := range c.cmds {
		log, _ := os.ReadFile(filepath.Join(c.dir, fmt.Sprintf("log%d", i)))
		out.Write(log)
	}
	assert.NotContains(t, out.String(), "panic")
}
