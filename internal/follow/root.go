package follow

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aladin-go/aladin/internal/source"
)

// A Root is a folder that an index follows.
type Root struct {
	Name    string   `json:"name,omitempty"` // "" only of one root of an index
	Dir     string   `json:"dir"`
	Exclude []string `json:"exclude,omitempty"`
	Follow  bool     `json:"follow,omitempty"`
	XMP     bool     `json:"xmp,omitempty"`
}

// ParseRoot reads DIR or NAME=DIR. What is the name of a folder as it stands has no name of its own.
func ParseRoot(s string) (Root, error) {
	name, dir, named := strings.Cut(s, "=")
	if _, err := os.Stat(s); err == nil || !named || strings.ContainsAny(name, `/\`) {
		return Root{Dir: s}, nil
	}
	if !validName(name) {
		return Root{}, fmt.Errorf("%w: %q is no name of a folder: letters and digits, no slash", ErrRoot, name)
	}
	if dir == "" {
		return Root{}, fmt.Errorf("%w: which folder is %q? NAME=DIR", ErrRoot, name)
	}
	return Root{Name: name, Dir: dir}, nil
}

func validName(s string) bool {
	bad := func(r rune) bool { return r == '/' || r == '\\' || r == '=' || unicode.IsControl(r) }
	return s != "" && len(s) <= 255 && utf8.ValidString(s) && !strings.HasPrefix(s, ".") && !strings.ContainsFunc(s, bad)
}

// String is the root as a command line has it.
func (r Root) String() string {
	if r.Name == "" {
		return r.Dir
	}
	return r.Name + "=" + r.Dir
}

// prefix begins the ids of the root's photos.
func (r *Root) prefix() string {
	if r.Name == "" {
		return ""
	}
	return r.Name + "/"
}

// fileState is what an index remembers of the folders it follows.
type fileState struct {
	Roots []Root `json:"roots"`
}

// Roots are the folders that an index follows, by what Info.State holds.
func Roots(state []byte) ([]Root, error) {
	if len(state) == 0 {
		return nil, nil
	}
	var s fileState
	if err := json.Unmarshal(state, &s); err != nil {
		return nil, fmt.Errorf("%w: another program keeps this index in step with something: %w", ErrRoot, err)
	}
	names := map[string]bool{}
	for _, r := range s.Roots {
		if names[r.Name] || r.Name != "" && !validName(r.Name) || !filepath.IsAbs(r.Dir) {
			return nil, fmt.Errorf("%w: root %q of %q", ErrRoot, r.Name, r.Dir)
		}
		names[r.Name] = true
	}
	return s.Roots, nil
}

// root is one in use.
type root struct {
	Root
	visit bool // else its photos stay as they are
	moved bool // the folder is not the one of before, or was not followed before

	files     []*file
	unread    []string // ids of folders that could not be read
	items     int      // of the index
	wasAt     string
	wasListed bool
}

// resolve makes the roots of this run of those given and those recorded.
func (r *run) resolve(recorded []Root) error {
	for _, rec := range recorded {
		r.roots = append(r.roots, &root{Root: rec, visit: len(r.Roots) == 0, wasListed: true, wasAt: rec.Dir})
	}
	if len(r.roots) == 0 && len(r.Roots) == 0 {
		return fmt.Errorf("%w: %s follows no folder yet; name one", ErrRoot, r.file)
	}
	for _, given := range r.Roots {
		dir, err := filepath.Abs(given.Dir)
		if err != nil {
			return err
		}
		given.Dir = dir
		if err := r.give(given, recorded); err != nil {
			return err
		}
	}
	for i, a := range r.roots {
		for _, b := range r.roots[:i] {
			if inside(a.Dir, b.Dir) || inside(b.Dir, a.Dir) {
				return fmt.Errorf("%w: of %s and %s one lies in the other, so that photos would be there twice", ErrRoot, b, a)
			}
		}
		if !a.visit {
			continue
		}
		if r.Walk != nil {
			a.Exclude, a.Follow = r.Walk.Exclude, r.Walk.Follow
		}
		a.XMP = a.XMP || r.XMP
	}
	return nil
}

// give finds the recorded root that is meant, or adds one.
func (r *run) give(given Root, recorded []Root) error {
	at := func(match func(*root) bool) *root {
		if i := slices.IndexFunc(r.roots, match); i >= 0 {
			return r.roots[i]
		}
		return nil
	}
	same := at(func(x *root) bool { return sameDir(x.Dir, given.Dir) })
	named := at(func(x *root) bool { return x.Name == given.Name })
	switch {
	case same != nil && (given.Name == "" || same == named):
		same.visit = true
	case same != nil:
		return fmt.Errorf("%w: %s is followed already, as %q", ErrRoot, given.Dir, same.Name)
	case named != nil && (!named.wasListed || named.visit):
		return fmt.Errorf("%w: %s and %s are two folders; give each a name: NAME=DIR", ErrRoot, named.Dir, given.Dir)
	case named != nil:
		named.Dir, named.visit, named.moved = given.Dir, true, true
	case given.Name == "" && len(recorded) > 0:
		return fmt.Errorf("%w: %s follows %s; give %s a name to add it: NAME=%[4]s", ErrRoot, r.file, list(recorded), given.Dir)
	default:
		r.roots = append(r.roots, &root{Root: given, visit: true, moved: true})
	}
	return nil
}

func list(roots []Root) string {
	var s []string
	for _, r := range roots {
		s = append(s, r.String())
	}
	return strings.Join(s, ", ")
}

func sameDir(a, b string) bool {
	if a == b {
		return true
	}
	x, err := os.Stat(a)
	y, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(x, y)
}

// inside says whether a folder is or lies in another.
func inside(dir, other string) bool {
	rel, err := filepath.Rel(resolved(other), resolved(dir))
	return err == nil && filepath.IsLocal(rel)
}

func resolved(dir string) string {
	if r, err := filepath.EvalSymlinks(dir); err == nil {
		return r
	}
	return dir
}

// owner is the root that an id belongs to, or nil.
func (r *run) owner(id string) *root {
	var plain *root
	for _, x := range r.roots {
		switch {
		case x.Name == "":
			plain = x
		case strings.HasPrefix(id, x.prefix()):
			return x
		}
	}
	return plain
}

// check refuses a root that is empty, or not what it was.
func (r *run) check(x *root) error {
	if r.AllowEmpty {
		return nil
	}
	if len(x.files) == 0 {
		if x.items > 0 {
			return fmt.Errorf("%w below %s, and %s has %d from it: is the disk mounted? (--allow-empty removes them)", ErrEmpty, x.Dir, r.file, x.items)
		}
		what := "no photos below " + x.Dir
		if p := r.sum.Passed.String(); p != "" {
			what += " (" + p + ")"
		}
		return fmt.Errorf("%w (--allow-empty follows it all the same)", classed{ErrEmpty, what})
	}
	if !x.moved || x.items == 0 {
		return nil
	}
	sizes := map[int64]bool{} // photos have hardly ever the same: these tell moved ones
	for _, f := range x.files {
		sizes[f.size] = true
	}
	there := 0
	for _, k := range r.items {
		if k.root == x && (k.known && sizes[k.size] || !k.known && k.file != nil) {
			there++
		}
	}
	if 2*there >= x.items {
		return nil
	}
	before := "photos of another folder"
	if x.wasListed {
		before = "the photos of " + x.wasAt
	}
	return fmt.Errorf("%w: %s holds %s, of whose %d items only %d are in %s; to add this folder, give it a name: NAME=%[6]s (--allow-empty puts it in their place)",
		ErrRoot, r.file, before, x.items, there, x.Dir)
}

// classed is an error with a text of its own.
type classed struct {
	class error
	text  string
}

func (e classed) Error() string        { return e.text }
func (e classed) Is(target error) bool { return errors.Is(e.class, target) }

// state is what the index shall remember of its roots.
func (r *run) state() ([]byte, error) {
	var s fileState
	for _, x := range r.roots {
		s.Roots = append(s.Roots, x.Root)
	}
	return json.Marshal(s)
}

func (x *root) walkOptions() *source.WalkOptions {
	return &source.WalkOptions{Exclude: x.Exclude, Follow: x.Follow}
}
