package serve

import (
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	// minToken is how long a token is at least.
	minToken = 16
	// An address may be wrong guessBurst times, and then once in guessPause.
	guessBurst = 10
	guessPause = time.Second
	// guessAddresses bounds the addresses that are remembered.
	guessAddresses = 4096
)

// guesses slows down who tries out tokens. It is safe for concurrent use.
type guesses struct {
	now func() time.Time

	mu sync.Mutex
	of map[netip.Prefix]time.Time // when all wrong guesses will be forgiven
}

func newGuesses(now func() time.Time) *guesses {
	return &guesses{now: now, of: make(map[netip.Prefix]time.Time)}
}

// allowed says whether a token from the address is looked at.
func (g *guesses) allowed(from netip.Prefix) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.of[from].Sub(g.now()) <= (guessBurst-1)*guessPause
}

// wrong notes a wrong token.
func (g *guesses) wrong(from netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if len(g.of) >= guessAddresses {
		for a, t := range g.of {
			if !t.After(now) {
				delete(g.of, a)
			}
		}
	}
	if len(g.of) >= guessAddresses {
		clear(g.of) // they are many, and none of them will get far
	}
	t := g.of[from]
	if t.Before(now) {
		t = now
	}
	g.of[from] = t.Add(guessPause)
}

// addressOf is whom a request comes from: an address, or with IPv6 a network, within which addresses cost nothing.
func addressOf(r *http.Request) netip.Prefix {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{}
	}
	bits := 32
	ip := a.Addr().Unmap()
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
