// Package weaviatetest is a Weaviate for tests: in the process, in memory, and by scanning. It speaks as much of REST and
// gRPC as package weaviate does, and fails on demand. What it says of the protocol is checked against the real server
// by the conformance suite of package weaviate, which runs on both.
package weaviatetest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// A Cluster is the nodes of a fake Weaviate, which share what they hold.
type Cluster struct {
	Nodes []*Node
	Key   string // wanted of clients, if set

	mu      sync.Mutex
	classes map[string]*class
}

type class struct {
	schema  map[string]any
	objects map[string]*object
}

// A Node is a server of a Cluster.
type Node struct {
	Addr string // host and port; REST and gRPC share them

	// Fault, if set, is asked before each call. What it returns is answered in place of the reply; see Fault.
	mu     sync.Mutex
	fault  func(method string) *Fault
	server *httptest.Server
	calls  map[string]int
}

// A Fault is how a call fails.
type Fault struct {
	Drop    bool // the connection ends
	Code    int  // of gRPC, with Message
	Message string
	Reply   []byte // in place of the reply's message
	Raw     []byte // in place of the whole body
	FailIDs int    // of a batch: that many objects fail, the first ones
}

// Start starts a cluster, which ends with the test.
func Start(t testing.TB, nodes int, tls bool) *Cluster {
	t.Helper()
	c := &Cluster{classes: map[string]*class{}}
	for range nodes {
		n := &Node{calls: map[string]int{}}
		n.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.serve(n, w, r) }))
		if n.server.Config.Protocols = new(http.Protocols); tls {
			n.server.Config.Protocols.SetHTTP1(true)
			n.server.Config.Protocols.SetHTTP2(true)
			n.server.EnableHTTP2 = true
			n.server.StartTLS()
		} else {
			n.server.Config.Protocols.SetHTTP1(true)
			n.server.Config.Protocols.SetUnencryptedHTTP2(true)
			n.server.Start()
		}
		n.Addr = n.server.Listener.Addr().String()
		t.Cleanup(n.Stop)
		c.Nodes = append(c.Nodes, n)
	}
	return c
}

// Address is that of a class on all nodes.
func (c *Cluster) Address(class string) string {
	var hosts []string
	for _, n := range c.Nodes {
		_, port, _ := net.SplitHostPort(n.Addr)
		hosts = append(hosts, n.Addr+":"+port)
	}
	return "weaviate://" + strings.Join(hosts, ",") + "/" + class
}

// Client is a client of the first node that trusts it, for its TLS configuration.
func (c *Cluster) Client() *http.Client { return c.Nodes[0].server.Client() }

// Stop ends a node as kill -9 does. A second call does nothing.
func (n *Node) Stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.server != nil {
		n.server.CloseClientConnections()
		n.server.Close()
		n.server = nil
	}
}

// SetFault sets what is asked before each call; nil ends it.
func (n *Node) SetFault(f func(method string) *Fault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fault = f
}

// Calls is how often a method was called.
func (n *Node) Calls(method string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.calls[method]
}

func (c *Cluster) serve(n *Node, w http.ResponseWriter, r *http.Request) {
	method := r.Method + " " + r.URL.Path
	call, isCall := strings.CutPrefix(r.URL.Path, "/weaviate.v1.Weaviate/")
	if isCall {
		method = call
	}
	n.mu.Lock()
	n.calls[method]++
	var f *Fault
	if n.fault != nil {
		f = n.fault(method)
	}
	n.mu.Unlock()
	if f == nil {
		f = &Fault{}
	}
	if f.Drop {
		panic(http.ErrAbortHandler)
	}
	if c.Key != "" && r.Header.Get("Authorization") != "Bearer "+c.Key {
		if isCall {
			f.Code, f.Message = 16, "no key"
		} else {
			http.Error(w, `{"error":[{"message":"no key"}]}`, http.StatusUnauthorized)
			return
		}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if isCall {
		c.grpc(w, call, body, f)
		return
	}
	if f.Raw != nil {
		_, _ = w.Write(f.Raw)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	status, out := c.rest(r, body)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out)
}

// rest answers what is asked of the schema and the nodes.
func (c *Cluster) rest(r *http.Request, body []byte) (int, any) {
	fail := func(status int, why string) (int, any) {
		return status, map[string]any{"error": []map[string]string{{"message": why}}}
	}
	name, _ := strings.CutPrefix(r.URL.Path, "/v1/schema/")
	switch {
	case r.URL.Path == "/v1/nodes":
		nodes := make([]map[string]string, len(c.Nodes))
		for i := range nodes {
			nodes[i] = map[string]string{"name": "node" + strconv.Itoa(i), "status": "HEALTHY"}
		}
		return http.StatusOK, map[string]any{"nodes": nodes}
	case strings.HasPrefix(r.URL.Path, "/v1/nodes/"):
		node := map[string]any{"status": "HEALTHY", "shards": []map[string]string{{"name": "s1"}, {"name": "s2"}}}
		return http.StatusOK, map[string]any{"nodes": []any{node}}
	case r.URL.Path == "/v1/schema" && r.Method == http.MethodPost:
		var s map[string]any
		if err := json.Unmarshal(body, &s); err != nil {
			return fail(http.StatusUnprocessableEntity, err.Error())
		}
		name, _ := s["class"].(string)
		if c.classes[name] != nil {
			return fail(http.StatusUnprocessableEntity, "class name "+name+" already exists")
		}
		s["shardingConfig"] = map[string]any{"actualCount": 2}
		c.classes[name] = &class{s, map[string]*object{}}
		return http.StatusOK, s
	case c.classes[name] == nil:
		return fail(http.StatusNotFound, "")
	case r.Method == http.MethodDelete:
		delete(c.classes, name)
		return http.StatusOK, nil
	}
	return http.StatusOK, c.classes[name].schema
}

// grpc answers a call.
func (c *Cluster) grpc(w http.ResponseWriter, method string, body []byte, f *Fault) {
	h := w.Header()
	h.Set("Content-Type", "application/grpc")
	if f.Code == 0 && (len(body) < 5 || body[0] != 0 || int(binary.BigEndian.Uint32(body[1:])) != len(body)-5) {
		f.Code, f.Message = 3, "the request is no message"
	}
	if f.Code != 0 { // without a body, and the status among the headers
		h.Set("Grpc-Status", strconv.Itoa(f.Code))
		h.Set("Grpc-Message", strings.ReplaceAll(f.Message, " ", "%20"))
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	handle := map[string]func(*request, *Fault) ([]byte, error){
		"Search": c.search, "BatchObjects": c.batch, "BatchDelete": c.remove, "Aggregate": c.aggregate,
	}[method]
	var reply []byte
	var err error
	if handle == nil {
		err = fmt.Errorf("unknown method %s", method)
	} else {
		reply, err = handle(parse(body[5:]), f)
	}
	h.Set("Trailer", "Grpc-Status, Grpc-Message")
	switch {
	case f.Raw != nil:
		_, _ = w.Write(f.Raw)
	case err == nil:
		if f.Reply != nil {
			reply = f.Reply
		}
		_, _ = w.Write(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(reply))), reply...))
	}
	h.Set("Grpc-Status", "0")
	if err != nil {
		h.Set("Grpc-Status", "2")
		h.Set("Grpc-Message", err.Error())
	}
}

// request is a message by its fields.
type request struct {
	numbers map[protowire.Number]uint64
	parts   map[protowire.Number][][]byte
}

func parse(b []byte) *request {
	r := &request{map[protowire.Number]uint64{}, map[protowire.Number][][]byte{}}
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			panic("a message that does not parse")
		}
		b = b[n:]
		switch kind {
		case protowire.VarintType:
			r.numbers[field], n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			var part []byte
			part, n = protowire.ConsumeBytes(b)
			r.parts[field] = append(r.parts[field], part)
		default:
			panic("a field of an unexpected type")
		}
		if n < 0 {
			panic("a field that does not parse")
		}
		b = b[n:]
	}
	return r
}

// text is the last part of a field.
func (r *request) text(field protowire.Number) string {
	if p := r.parts[field]; len(p) > 0 {
		return string(p[len(p)-1])
	}
	return ""
}

// texts are the parts of a field.
func (r *request) texts(field protowire.Number) (out []string) {
	for _, p := range r.parts[field] {
		out = append(out, string(p))
	}
	return out
}

// message is a part of a field as a message; an empty one if there is none.
func (r *request) message(field protowire.Number) *request { return parse([]byte(r.text(field))) }

func (r *request) has(field protowire.Number) bool { return len(r.parts[field]) > 0 }
