package weaviate

import (
	"fmt"
	"net"
	"regexp"
	"strings"

	"github.com/aladin-go/aladin/index"
)

const (
	scheme    = "weaviate://"
	schemeTLS = "weaviates://"

	defaultPort     = "8080"
	defaultGRPCPort = "50051"
	maxNodes        = 256
)

// IsAddress says whether a name is the address of a collection, and no file's.
func IsAddress(name string) bool {
	return strings.HasPrefix(name, scheme) || strings.HasPrefix(name, schemeTLS)
}

// CheckAddress says what is wrong with an address, without a call.
func CheckAddress(name string) error {
	_, err := parseAddress(name)
	return err
}

// address is a parsed address.
type address struct {
	name  string
	tls   bool
	class string
	nodes []place
}

// place is where a node listens.
type place struct{ rest, grpc string }

var classForm = regexp.MustCompile(`^[A-Z][_0-9A-Za-z]{0,255}$`)

func parseAddress(name string) (*address, error) {
	fail := func(why string, args ...any) (*address, error) {
		return nil, fmt.Errorf("%s: %w address: %s; want weaviate://host[:port[:grpc-port]][,host…]/Class", name, index.ErrInvalid, fmt.Sprintf(why, args...))
	}
	rest, ok := strings.CutPrefix(name, scheme)
	a := &address{name: name}
	if !ok {
		if rest, a.tls = strings.CutPrefix(name, schemeTLS); !a.tls {
			return fail("it does not begin with %s", scheme)
		}
	}
	hosts, class, ok := strings.Cut(rest, "/")
	if !ok || !classForm.MatchString(class) {
		return fail("%q is no name of a collection, which begins with a capital letter and has letters, digits and _", class)
	}
	a.class = class
	for h := range strings.SplitSeq(hosts, ",") {
		p, err := parsePlace(h)
		if err != nil {
			return fail("%v", err)
		}
		a.nodes = append(a.nodes, p)
	}
	if len(a.nodes) > maxNodes {
		return fail("%d nodes, at most %d", len(a.nodes), maxNodes)
	}
	return a, nil
}

// parsePlace reads host, host:port or host:port:grpc-port; an IPv6 host stands in brackets.
func parsePlace(s string) (place, error) {
	host, ports := s, ""
	if end := strings.IndexByte(s, ']'); strings.HasPrefix(s, "[") && end > 0 {
		host, ports = s[1:end], s[end+1:]
		if net.ParseIP(host) == nil {
			return place{}, fmt.Errorf("%q is no IPv6 address", host)
		}
	} else if colon := strings.IndexByte(s, ':'); colon >= 0 {
		host, ports = s[:colon], s[colon:]
	}
	if host == "" || strings.ContainsAny(host, "@?#%[] \t\\") {
		return place{}, fmt.Errorf("%q is no host", s)
	}
	port := []string{defaultPort, defaultGRPCPort}
	if ports != "" {
		given := strings.Split(ports, ":")
		if given[0] != "" || len(given) > 3 {
			return place{}, fmt.Errorf("%q has more than two ports", s)
		}
		copy(port, given[1:])
	}
	for _, p := range port {
		if n, err := net.LookupPort("tcp", p); err != nil || n == 0 || strings.Trim(p, "0123456789") != "" {
			return place{}, fmt.Errorf("%q is no port", p)
		}
	}
	return place{net.JoinHostPort(host, port[0]), net.JoinHostPort(host, port[1])}, nil
}
