package hub

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// Scheme begins a reference to a model of the hub.
const Scheme = "hf:"

// A Reference names a model of the hub.
type Reference struct {
	Repo     string // owner/name
	Revision string // a branch, tag or commit; "main" when none was named
}

var (
	goodRepo     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$`)
	goodRevision = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$`)
	goodCommit   = regexp.MustCompile(`^[0-9a-f]{40}$`)
	goodETag     = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)
)

// IsReference tells whether s begins as a reference to the hub does.
func IsReference(s string) bool { return strings.HasPrefix(s, Scheme) }

// ParseReference reads hf:owner/name[@revision].
func ParseReference(s string) (Reference, error) {
	name, ok := strings.CutPrefix(s, Scheme)
	if !ok {
		return Reference{}, fmt.Errorf("%w: %q does not begin with %s", ErrReference, s, Scheme)
	}
	r := Reference{Revision: "main"}
	at := ""
	if r.Repo, at, ok = strings.Cut(name, "@"); ok {
		r.Revision = at
	}
	if !goodRepo.MatchString(r.Repo) || strings.Contains(r.Repo, "..") || strings.Contains(r.Repo, "--") {
		return r, fmt.Errorf("%w: %q; a model is named %sowner/name, for instance %sopenai/clip-vit-base-patch32", ErrReference, s, Scheme, Scheme)
	}
	if !goodRevision.MatchString(r.Revision) || path.Clean(r.Revision) != r.Revision || strings.Contains(r.Revision, "..") {
		return r, fmt.Errorf("%w: %q has the revision %q; it is a branch, a tag or a commit", ErrReference, s, r.Revision)
	}
	return r, nil
}

func (r Reference) String() string {
	if r.Revision == "main" {
		return Scheme + r.Repo
	}
	return Scheme + r.Repo + "@" + r.Revision
}

// page is where a person reads about the model.
func (r Reference) page(endpoint string) string { return endpoint + "/" + r.Repo }

// goodName tells whether a file's name may be joined to a folder's.
func goodName(name string) bool {
	return name != "" && len(name) <= 512 && path.Clean(name) == name && filepath.IsLocal(filepath.FromSlash(name)) &&
		!strings.ContainsAny(name, "\\:\x00") && !strings.HasPrefix(name, ".git/")
}
