package source

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/picture"
)

// WalkOptions say what a walk leaves out.
type WalkOptions struct {
	// Exclude are patterns (see path.Match) of what is left out: of the name of a file or folder wherever
	// it lies, or, with a slash in it, of its path below the folder that is walked.
	Exclude []string
	// Follow walks folders, too, that links lead to, each once.
	Follow bool
}

// Register defines the flags --follow and --exclude, with a prefix before their names.
func (o *WalkOptions) Register(fs *cli.Flags, prefix string) {
	fs.BoolVar(&o.Follow, prefix+"follow", o.Follow, "take photos and folders, too, that links in the folder lead to outside of it")
	fs.Func(prefix+"exclude", "leave out files and folders whose name, or path where it has a slash, fits the `pattern` (*.png, drafts, 2019/raw); may be repeated", func(p string) error {
		o.Exclude = append(o.Exclude, p)
		return o.Check()
	})
}

// Check finds patterns that mean nothing.
func (o *WalkOptions) Check() error {
	for _, p := range o.Exclude {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("pattern %q: %w", p, err)
		}
	}
	return nil
}

// A Found is a photo, or what has the name of one. Its content has not been looked at, unless its name says
// nothing.
type Found struct {
	ID   string // its path below the folder, with slashes
	Path string
	Link bool // what the name says is a link
}

// Passed counts what a walk did not take, so that nothing is dropped in silence.
type Passed struct {
	// Kinds are pictures and films that cannot be read, by kind: "MP4".
	Kinds map[string]int `json:"not_read,omitempty"`
	// Folders are those that programs and not people fill, by name ("@eaDir"); all hidden ones are "hidden".
	Folders map[string]int `json:"folders,omitempty"`
	// Links are folders that links lead to and that are not followed.
	Links int `json:"links,omitempty"`
	// Excluded are files and folders that a pattern excludes.
	Excluded int `json:"excluded,omitempty"`
	// Other are files that are neither pictures nor films.
	Other int `json:"other,omitempty"`
}

// programFolders are the names of folders that devices and systems make: previews, recycle bins and what
// they found.
var programFolders = []string{"@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", "System Volume Information"}

// pictureNames are the extensions of files that are taken for pictures until they are decoded.
var pictureNames = []string{
	".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".tif", ".tiff", ".bmp", ".dib",
	".dng", ".cr2", ".nef", ".nrw", ".arw", ".orf", ".rw2", ".pef", ".srw",
}

// otherKinds are the kinds of pictures and films that are counted, by extension.
var otherKinds = map[string]string{
	".heic": "HEIC", ".heif": "HEIC", ".hif": "HEIC", ".avif": "AVIF",
	".jp2": "JPEG 2000", ".j2k": "JPEG 2000", ".jpx": "JPEG 2000", ".jxl": "JPEG XL", ".jxr": "JPEG XR",
	".cr3": "CR3", ".crw": "CRW", ".raf": "RAF", ".x3f": "X3F", ".3fr": "3FR", ".iiq": "IIQ", ".raw": "RAW",
	".psd": "PSD", ".psb": "PSD", ".xcf": "XCF", ".svg": "SVG", ".eps": "EPS", ".ai": "AI", ".ico": "ICO", ".tga": "TGA",
	".exr": "EXR", ".hdr": "HDR", ".pdf": "PDF", ".ppm": "PPM", ".pgm": "PPM", ".pcx": "PCX",
	".mp4": "MP4", ".m4v": "MP4", ".mov": "MOV", ".avi": "AVI", ".mkv": "MKV", ".webm": "WebM", ".mts": "MTS", ".m2ts": "MTS",
	".mpg": "MPEG", ".mpeg": "MPEG", ".wmv": "WMV", ".3gp": "3GP", ".flv": "FLV",
}

// kindOf tells by a file's name whether it is taken, or of what kind it is.
func kindOf(name string) (taken bool, kind string) {
	ext := strings.ToLower(filepath.Ext(name))
	if kind = otherKinds[ext]; kind == "" {
		return slices.Contains(pictureNames, ext), ""
	}
	return picture.Reads(picture.Kind(kind)), kind
}

// String says what was not taken: "not read: 1,180 HEIC, 3 MP4; 2 linked folders (--follow takes them)".
func (p *Passed) String() string {
	if p == nil {
		return ""
	}
	var parts []string
	if s := counted(p.Kinds); s != "" {
		parts = append(parts, "not read: "+s)
	}
	if s := counted(p.Folders); s != "" {
		parts = append(parts, "folders left out: "+s)
	}
	if p.Links > 0 {
		parts = append(parts, grouped(p.Links)+" linked folders not followed (--follow does)")
	}
	if p.Excluded > 0 {
		parts = append(parts, grouped(p.Excluded)+" excluded by a pattern")
	}
	return strings.Join(parts, "; ")
}

// counted lists counts, the largest first.
func counted(counts map[string]int) string {
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = grouped(counts[name]) + " " + name
	}
	return strings.Join(names, ", ")
}

// grouped writes a number with commas.
func grouped(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Add adds the counts of another walk.
func (p *Passed) Add(o *Passed) {
	for name, n := range o.Kinds {
		count(&p.Kinds, name, n)
	}
	for name, n := range o.Folders {
		count(&p.Folders, name, n)
	}
	p.Links, p.Excluded, p.Other = p.Links+o.Links, p.Excluded+o.Excluded, p.Other+o.Other
}

// count counts n more under a name.
func count(counts *map[string]int, name string, n int) {
	if *counts == nil {
		*counts = map[string]int{}
	}
	(*counts)[name] += n
}

// Walk lists the photos below dir, sorted by id. Hidden files and folders, and those of programs, are
// left out. Folders that cannot be read are skips; that dir cannot be is an error.
func Walk(ctx context.Context, dir string, o *WalkOptions) ([]Found, *Passed, Skips, error) {
	w := &walker{ctx: ctx, passed: &Passed{}}
	if o != nil {
		w.WalkOptions = *o
	}
	if err := w.Check(); err != nil {
		return nil, nil, nil, err
	}
	// A folder that is itself a symbolic link is walked.
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, nil, nil, err
	}
	w.root = root
	if err := w.walk(root, ""); err != nil {
		return nil, nil, nil, err
	}
	// Links come when what lies in the folder itself is known, so that a link into it changes no ids.
	for len(w.links) > 0 {
		l := w.links[0]
		w.links = w.links[1:]
		real, err := filepath.EvalSymlinks(filepath.Join(root, filepath.FromSlash(l)))
		if err != nil || w.walked(real) {
			continue
		}
		if err := w.walk(real, l); err != nil {
			return nil, nil, nil, err
		}
	}
	slices.SortFunc(w.found, func(a, b Found) int { return strings.Compare(a.ID, b.ID) })
	return w.found, w.passed, w.skips, nil
}

type walker struct {
	WalkOptions
	ctx    context.Context
	root   string
	found  []Found
	passed *Passed
	skips  Skips
	links  []string // ids of folders that links lead to, to be walked
	dirs   []string // real paths of the trees that have been walked
	n      int
}

// walked says whether a folder lies in a tree that has been walked.
func (w *walker) walked(real string) bool {
	return slices.ContainsFunc(w.dirs, func(d string) bool {
		rel, err := filepath.Rel(d, real)
		return err == nil && filepath.IsLocal(rel)
	})
}

// walk lists the tree at a real path, whose id is prefix.
func (w *walker) walk(root, prefix string) error {
	inside := w.dirs // trees that a link led to before: they may lie inside of this one
	w.dirs = append(slices.Clone(w.dirs), root)
	return filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if w.n++; w.n%512 == 0 && w.ctx.Err() != nil {
			return w.ctx.Err()
		}
		rel, relErr := filepath.Rel(root, p)
		if relErr != nil {
			return relErr
		}
		id := path.Join(prefix, filepath.ToSlash(rel))
		if err != nil {
			if p == w.root {
				return err
			}
			w.skips = append(w.skips, Skip{What: "folder", Name: id, Err: err})
			return fs.SkipDir
		}
		if p == root {
			return nil
		}
		name := d.Name()
		if d.IsDir() {
			if slices.Contains(inside, p) || w.leavesOut(id, name) {
				return fs.SkipDir
			}
			return nil
		}
		w.file(p, id, d)
		return nil
	})
}

// leavesOut says whether a folder is left out, and counts it.
func (w *walker) leavesOut(id, name string) bool {
	switch {
	case strings.HasPrefix(name, "."):
		count(&w.passed.Folders, "hidden", 1)
	case slices.ContainsFunc(programFolders, func(p string) bool { return strings.EqualFold(p, name) }):
		count(&w.passed.Folders, name, 1)
	case w.excluded(id, name):
		w.passed.Excluded++
	default:
		return false
	}
	return true
}

func (w *walker) excluded(id, name string) bool {
	return slices.ContainsFunc(w.Exclude, func(p string) bool {
		what := name
		if strings.Contains(strings.TrimSuffix(p, "/"), "/") {
			what = id
		}
		ok, err := path.Match(strings.Trim(p, "/"), what)
		return err == nil && ok
	})
}

// file takes or counts what is no folder.
func (w *walker) file(p, id string, d fs.DirEntry) {
	name := d.Name()
	link := d.Type()&fs.ModeSymlink != 0
	if strings.HasPrefix(name, ".") {
		return
	}
	if link {
		if info, err := os.Stat(p); err == nil && info.IsDir() {
			switch {
			case w.leavesOut(id, name):
			case w.Follow:
				w.links = append(w.links, id)
			default:
				w.passed.Links++
			}
			return
		}
	}
	if w.excluded(id, name) {
		w.passed.Excluded++
		return
	}
	taken, kind := kindOf(name)
	if !taken && kind == "" && filepath.Ext(name) == "" && (link || d.Type().IsRegular()) {
		taken, kind = sniffed(p)
	}
	switch {
	case taken:
		w.found = append(w.found, Found{ID: id, Path: p, Link: link})
	case kind != "":
		count(&w.passed.Kinds, kind, 1)
	default:
		w.passed.Other++
	}
}

// sniffed tells by its content whether a file without an extension is a picture.
func sniffed(p string) (taken bool, kind string) {
	info, err := os.Stat(p)
	if err != nil || !info.Mode().IsRegular() {
		return false, ""
	}
	f, err := os.Open(p)
	if err != nil {
		return false, ""
	}
	defer f.Close()
	head := make([]byte, 32)
	n, _ := io.ReadFull(f, head)
	k := picture.Sniff(head[:n])
	return picture.Reads(k), string(k)
}
