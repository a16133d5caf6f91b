package weaviate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aladin-go/aladin/index"
)

// Bounds of what a node may answer, and how long it may take.
const (
	maxReply   = 128 << 20 // of a call; the server's own bound is 100 MiB unless it is told otherwise
	maxJSON    = 8 << 20   // of an answer about schema and nodes
	maxMessage = 1000      // of the bytes of an error that are passed on

	dialTimeout = 3 * time.Second
	restAfter   = 2 * time.Second // a node that failed is asked first again
)

// client talks to the nodes of a cluster: gRPC for what is done often, in HTTP/2 frames of net/http, and REST for
// the schema.
type client struct {
	nodes   []*node
	key     string
	timeout time.Duration // of an attempt
	turn    atomic.Uint32
	http    *http.Client // of both, by the protocol of each URL
	calls   *http.Client
}

type node struct {
	rest, grpc string       // the beginnings of URLs
	down       atomic.Int64 // when it failed last, in Unix nanoseconds; 0: it works
}

func newClient(a *address, o *Options) *client {
	c := &client{key: o.APIKey, timeout: o.Timeout}
	proto := "http://"
	if a.tls {
		proto = "https://"
	}
	for _, p := range a.nodes {
		c.nodes = append(c.nodes, &node{rest: proto + p.rest, grpc: proto + p.grpc})
	}
	c.turn.Store(rand.Uint32())
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	transport := func(h2 bool) *http.Client {
		t := &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: o.TLS.Clone(), TLSHandshakeTimeout: dialTimeout, MaxIdleConnsPerHost: 8,
			IdleConnTimeout: time.Minute, Protocols: new(http.Protocols), DisableCompression: true,
		}
		t.Protocols.SetHTTP1(!h2)
		if h2 {
			t.Protocols.SetHTTP2(a.tls)
			t.Protocols.SetUnencryptedHTTP2(!a.tls)
			t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 5 * time.Second, PingTimeout: 5 * time.Second, MaxReceiveBufferPerStream: 4 << 20, MaxReceiveBufferPerConnection: 64 << 20}
		} else {
			t.Proxy = http.ProxyFromEnvironment
		}
		return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	c.http, c.calls = transport(false), transport(true)
	return c
}

func (c *client) close() {
	c.http.CloseIdleConnections()
	c.calls.CloseIdleConnections()
}

// order is the nodes in the order in which they are asked: in turn, and last those that failed a moment ago.
func (c *client) order() []*node {
	n := len(c.nodes)
	first := int(c.turn.Add(1) % uint32(n))
	out := make([]*node, 0, n)
	var failed []*node
	for i := range n {
		nd := c.nodes[(first+i)%n]
		if at := nd.down.Load(); at != 0 && time.Since(time.Unix(0, at)) < restAfter {
			failed = append(failed, nd)
			continue
		}
		out = append(out, nd)
	}
	return append(out, failed...)
}

// A nodeError is what went wrong at a node.
type nodeError struct {
	node string
	code int // of gRPC; 0: it did not answer
	err  error
}

func (e *nodeError) Error() string {
	return strings.TrimPrefix(strings.TrimPrefix(e.node, "http://"), "https://") + ": " + e.err.Error()
}

func (e *nodeError) Unwrap() []error {
	if e.code == 0 || e.code == codeUnavailable {
		return []error{index.ErrUnavailable, e.err}
	}
	return []error{e.err}
}

// Codes of gRPC that another node would answer with, too.
const (
	codeInvalidArgument  = 3
	codePermissionDenied = 7
	codeUnavailable      = 14
	codeUnauthenticated  = 16
)

// elsewhere says whether another node may do better.
func elsewhere(ctx context.Context, err error) bool {
	var e *nodeError
	if ctx.Err() != nil || !errors.As(err, &e) {
		return false
	}
	switch e.code {
	case codeInvalidArgument, codePermissionDenied, codeUnauthenticated:
		return false
	}
	return true
}

// try asks a node, and if that fails another one once.
func (c *client) try(ctx context.Context, ask func(context.Context, *node) error) error {
	nodes := c.order()
	const attempts = 2
	var errs []error
	for i := range attempts {
		n := nodes[i%len(nodes)]
		err := c.attempt(ctx, n, ask)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
		if !elsewhere(ctx, err) {
			break
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.Join(errs...)
}

// attempt asks a node within the time of an attempt, and remembers whether it answered.
func (c *client) attempt(ctx context.Context, n *node, ask func(context.Context, *node) error) error {
	inner, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	err := ask(inner, n)
	var e *nodeError
	switch {
	case err == nil:
		n.down.Store(0)
	case ctx.Err() == nil && errors.As(err, &e) && elsewhere(ctx, err):
		n.down.Store(time.Now().UnixNano())
	}
	return err
}

const service = "/weaviate.v1.Weaviate/"

// call makes a gRPC call on a node and has the reply's message read, which is gone afterwards.
func (c *client) call(ctx context.Context, n *node, method string, message []byte, read func([]byte) error) error {
	fail := func(code int, err error) error { return &nodeError{n.grpc, code, err} }
	body := make([]byte, 5, 5+len(message)) // not compressed, and the length
	binary.BigEndian.PutUint32(body[1:], uint32(len(message)))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.grpc+service+method, bytes.NewReader(append(body, message...)))
	if err != nil {
		return err
	}
	req.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "User-Agent": {"aladin-go"}}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	if end, ok := ctx.Deadline(); ok {
		req.Header.Set("Grpc-Timeout", strconv.FormatInt(max(time.Until(end).Milliseconds(), 1), 10)+"m")
	}
	resp, err := c.calls.Do(req)
	if err != nil {
		return fail(0, unwrapURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fail(0, fmt.Errorf("%s in place of a gRPC reply; is this the gRPC port?", resp.Status))
	}
	reply := replies.Get().(*bytes.Buffer)
	defer func() {
		if reply.Cap() <= keptReply {
			replies.Put(reply)
		}
	}()
	err = readMessage(reply, resp.Body)
	if err != nil && resp.Header.Get("Grpc-Status") == "" && resp.Trailer.Get("Grpc-Status") == "" {
		return fail(0, err)
	}
	status := cmp.Or(resp.Trailer.Get("Grpc-Status"), resp.Header.Get("Grpc-Status"))
	if status != "0" {
		text := cmp.Or(resp.Trailer.Get("Grpc-Message"), resp.Header.Get("Grpc-Message"))
		if plain, err := url.PathUnescape(text); err == nil {
			text = plain
		}
		code, err := strconv.Atoi(status)
		if err != nil {
			return fail(0, errors.New("the reply ends without a status"))
		}
		return fail(code, fmt.Errorf("%s (gRPC code %d)", brief(text), code))
	}
	if err != nil {
		return fail(0, err)
	}
	return read(reply.Bytes())
}

// replies is memory for replies, some hundred kilobytes each.
var replies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const keptReply = 4 << 20

// readMessage reads the one message of a reply, to its end. Memory grows with what has come, not with what is claimed.
func readMessage(buf *bytes.Buffer, r io.Reader) error {
	buf.Reset()
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return fmt.Errorf("a reply without a message: %w", err)
	}
	n := int64(binary.BigEndian.Uint32(head[1:]))
	if head[0] != 0 || n > maxReply {
		return fmt.Errorf("a reply of %d bytes, compressed: %v; at most %d that are not are read", n, head[0] != 0, maxReply)
	}
	const trusted = 2 << 20
	buf.Grow(int(min(n, trusted)) + bytes.MinRead)
	if _, err := io.CopyN(buf, r, n); err != nil {
		return fmt.Errorf("a reply of %d bytes ends after %d: %w", n, buf.Len(), err)
	}
	if more, err := io.Copy(io.Discard, io.LimitReader(r, 1)); err != nil || more > 0 {
		return fmt.Errorf("more than one message in a reply: %w", cmp.Or(err, io.ErrShortBuffer))
	}
	return nil
}

// errStatus is an answer of REST that is no success.
type errStatus struct {
	status int
	text   string
}

func (e *errStatus) Error() string { return fmt.Sprintf("%s (HTTP %d)", e.text, e.status) }

// rest makes a REST call on some node and decodes its answer into out, unless that is nil.
func (c *client) rest(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	return c.try(ctx, func(ctx context.Context, n *node) error {
		fail := func(code int, err error) error { return &nodeError{n.rest, code, err} }
		req, err := http.NewRequestWithContext(ctx, method, n.rest+path, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		if c.key != "" {
			req.Header.Set("Authorization", "Bearer "+c.key)
		}
		resp, err := c.http.Do(req)
		if err != nil {
			return fail(0, unwrapURL(err))
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(io.LimitReader(resp.Body, maxJSON+1))
		if err != nil {
			return fail(0, err)
		}
		if len(data) > maxJSON {
			return fail(0, fmt.Errorf("an answer of more than %d bytes", maxJSON))
		}
		if resp.StatusCode/100 != 2 {
			code := 0
			if resp.StatusCode/100 == 4 {
				code = codeInvalidArgument // another node says the same
			}
			return fail(code, &errStatus{resp.StatusCode, brief(restMessage(data))})
		}
		if out == nil {
			return nil
		}
		if err := json.Unmarshal(data, out); err != nil {
			return fail(0, fmt.Errorf("an answer that is no JSON of the kind: %w", err))
		}
		return nil
	})
}

// restMessage is what an error's body says.
func restMessage(data []byte) string {
	var e struct {
		Error   []struct{ Message string }
		Message string
	}
	if json.Unmarshal(data, &e) == nil {
		if len(e.Error) > 0 {
			return e.Error[0].Message
		}
		if e.Message != "" {
			return e.Message
		}
	}
	return string(data)
}

// brief is a message of a node, bounded and in one line.
func brief(s string) string {
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "…"
	}
	return strings.Join(strings.Fields(s), " ")
}

// unwrapURL leaves out the URL, which nodeError names in short.
func unwrapURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
