package serve

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"slices"
	"strings"
)

// cookieName is the cookie that stands for the token: pictures in a page cannot
// send headers.
const cookieName = "aladin_session"

// cookieValue derives the cookie from the token, so that the token itself is not
// kept by browsers.
func cookieValue(token string) string {
	if token == "" {
		return ""
	}
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("aladin session"))
	return hex.EncodeToString(mac.Sum(nil))
}

// authorise returns the answer for a request without the token. The comparison takes the same time whatever is
// sent, and who guesses is slowed down; the cookie, which cannot be guessed, is always looked at.
func (s *Server) authorise(r *http.Request) *problem {
	if s.opts.Token == "" {
		return nil
	}
	if c, err := r.Cookie(cookieName); err == nil && equal(c.Value, s.cookie) {
		return nil
	}
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token = strings.TrimSpace(token); token != "" && strings.EqualFold(kind, "Bearer") {
		from := addressOf(r)
		if !s.guesses.allowed(from) {
			p := failf(http.StatusTooManyRequests, "guesses", "too many wrong tokens from this address; try again in a moment")
			p.retryAfter = int(guessPause.Seconds())
			return p
		}
		if equal(token, s.opts.Token) {
			return nil
		}
		s.guesses.wrong(from)
	}
	return failf(http.StatusUnauthorized, "unauthorised", "this server wants a token: send Authorization: Bearer TOKEN")
}

func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// protect answers only requests that come with the token, and none that the page of another site makes, unless
// it may: also what only reads costs time, and what a page cannot read it could still ask for.
func (s *Server) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asPost := *r // what changes nothing is not looked at otherwise
		asPost.Method = http.MethodPost
		if s.sameSite.Check(&asPost) != nil {
			failf(http.StatusForbidden, "cross_origin", "pages of other sites may not do this").write(w)
			return
		}
		if p := s.authorise(r); p != nil {
			if p.Status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", `Bearer realm="aladin"`)
			}
			p.write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// session gives the page a cookie for the token that it sends.
func (s *Server) session(w http.ResponseWriter, r *http.Request) error {
	if s.opts.Token != "" {
		http.SetCookie(w, &http.Cookie{
			Name: cookieName, Value: s.cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
			Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
		})
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// checkHost refuses names that the server does not go by.
func (s *Server) checkHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		host = strings.ToLower(strings.Trim(host, "[]"))
		known := slices.ContainsFunc(s.opts.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
		if !known && (len(s.opts.Hosts) > 0 || s.loopback.Load()) && !loopbackName(host) {
			failf(http.StatusMisdirectedRequest, "host", "this server is not %q; start it with that name as a host if it should be", host).write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func loopbackName(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
