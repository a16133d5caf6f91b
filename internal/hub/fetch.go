package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A Snapshot is a model's files on this machine.
type Snapshot struct {
	Reference Reference
	// Dir is the folder with the files, Commit the revision's.
	Dir, Commit string
	// Files are those that were chosen.
	Files []string
	// Licence is what the model's card says.
	Licence Licence
	// Downloaded is how many bytes had to be fetched.
	Downloaded int64
	// Note says that the hub was not asked, and why; "" otherwise.
	Note string
}

// Fetch makes sure that the chosen files of a model lie in the cache and says where.
func Fetch(ctx context.Context, ref Reference, o *Options) (*Snapshot, error) {
	s, err := o.settings()
	if err != nil {
		return nil, err
	}
	c := newCache(s.Cache, ref.Repo)
	if s.Offline {
		return s.cached(ref, c, "HF_HUB_OFFLINE is set: the cache was not compared with the hub")
	}
	list, err := s.list(ctx, ref)
	if err != nil {
		if errors.Is(err, ErrOffline) {
			if snap, cacheErr := s.cached(ref, c, "the hub cannot be reached: the cache was not compared with it"); cacheErr == nil {
				return snap, nil
			}
		}
		return nil, err
	}
	names, err := s.choose(ref, list.files)
	if err != nil {
		return nil, err
	}
	d := &download{s: s, ref: ref, cache: c, commit: list.commit}
	if err := d.plan(ctx, names); err != nil {
		return nil, err
	}
	if err := d.run(ctx); err != nil {
		return nil, err
	}
	if err := c.remember(ref.Revision, list.commit); err != nil {
		return nil, fmt.Errorf("%v: %w", ref, err)
	}
	snap := &Snapshot{Reference: ref, Dir: c.snapshot(list.commit), Commit: list.commit, Files: names, Licence: list.licence, Downloaded: d.fetched}
	if snap.Licence.ID == "" {
		snap.Licence = ReadLicence(snap.Dir)
	}
	return snap, nil
}

// cached is what the cache has.
func (s *settings) cached(ref Reference, c cache, note string) (*Snapshot, error) {
	commit := c.commit(ref.Revision)
	if commit == "" {
		return nil, fmt.Errorf("%w: %v is not in %s: run it once with a network and without HF_HUB_OFFLINE", ErrOffline, ref, s.Cache)
	}
	names, err := s.choose(ref, c.files(commit))
	if err != nil {
		return nil, fmt.Errorf("%w (these are the files in the cache, %s)", err, c.snapshot(commit))
	}
	dir := c.snapshot(commit)
	return &Snapshot{Reference: ref, Dir: dir, Commit: commit, Files: names, Licence: ReadLicence(dir), Note: note}, nil
}

func (s *settings) choose(ref Reference, files []File) ([]string, error) {
	var names []string
	if s.Choose == nil {
		for _, f := range files {
			names = append(names, f.Name)
		}
		return names, nil
	}
	names, err := s.Choose(files)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", ref, err)
	}
	for _, name := range names {
		if !slices.ContainsFunc(files, func(f File) bool { return f.Name == name }) {
			return nil, fmt.Errorf("%w: %v has no file %s", ErrNotFound, ref, name)
		}
	}
	return names, nil
}

// A listing is what the hub says about a revision.
type listing struct {
	commit  string
	files   []File
	licence Licence
}

// list asks the hub which files there are.
func (s *settings) list(ctx context.Context, ref Reference) (*listing, error) {
	address := s.Endpoint + "/api/models/" + ref.Repo + "/revision/" + url.PathEscape(ref.Revision) + "?blobs=true"
	var answer struct {
		SHA   string   `json:"sha"`
		Tags  []string `json:"tags"`
		Card  cardData `json:"cardData"`
		Files []struct {
			Name string `json:"rfilename"`
			Size *int64 `json:"size"`
		} `json:"siblings"`
	}
	err := s.try(ctx, func() (*http.Request, error) { return s.request(http.MethodGet, address) }, func(res *http.Response) error {
		b, err := io.ReadAll(io.LimitReader(res.Body, maxListing+1))
		if err != nil {
			return err
		}
		if len(b) > maxListing {
			return fmt.Errorf("%w: the list of files is longer than %d MB", errFinal, maxListing>>20)
		}
		if err := json.Unmarshal(b, &answer); err != nil {
			return fmt.Errorf("%w: the list of files: %w", errFinal, err)
		}
		return nil
	})
	if errors.Is(err, errFinal) {
		return nil, fmt.Errorf("%w: %v: %w (is %s a hub?)", ErrServer, ref, err, s.Endpoint)
	}
	if err != nil {
		return nil, s.explain(ref, "asking for its files", err)
	}
	if !goodCommit.MatchString(answer.SHA) {
		return nil, fmt.Errorf("%w: %v: its commit is %q (is %s a hub?)", ErrServer, ref, answer.SHA, s.Endpoint)
	}
	if len(answer.Files) > maxFiles {
		return nil, fmt.Errorf("%w: %v has %d files; at most %d are listed", ErrServer, ref, len(answer.Files), maxFiles)
	}
	l := &listing{commit: answer.SHA, licence: answer.Card.licence()}
	for _, f := range answer.Files {
		if !goodName(f.Name) {
			continue // cannot be put anywhere, so cannot be chosen
		}
		size := int64(-1)
		if f.Size != nil {
			size = *f.Size
		}
		l.files = append(l.files, File{f.Name, size})
	}
	if l.licence.ID == "" {
		for _, t := range answer.Tags {
			if id, ok := strings.CutPrefix(t, "license:"); ok {
				l.licence.ID = id
			}
		}
	}
	return l, nil
}

// A download fetches the files of one commit.
type download struct {
	s      *settings
	ref    Reference
	cache  cache
	commit string
	files  []remote
	// done counts towards total, fetched what really came over the network.
	done, total, fetched int64
}

// A remote file is what the hub says about one before it is fetched.
type remote struct {
	name, etag, url string
	size            int64
}

// address is where a file is.
func (d *download) address(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return d.s.Endpoint + "/" + d.ref.Repo + "/resolve/" + d.commit + "/" + strings.Join(parts, "/")
}

// plan asks for the checksums and sizes of what is not there.
func (d *download) plan(ctx context.Context, names []string) error {
	for _, name := range names {
		if !goodName(name) {
			return fmt.Errorf("%w: %v: the file name %q", ErrReference, d.ref, name)
		}
		if _, err := os.Stat(d.cache.file(d.commit, name)); err == nil {
			continue
		}
		r, err := d.ask(ctx, name)
		if err != nil {
			return err
		}
		d.files = append(d.files, r)
		d.total += r.size
	}
	return nil
}

// ask makes a HEAD request, which follows no redirection to where the content lies: what describes it stands in the
// hub's own answer.
func (d *download) ask(ctx context.Context, name string) (remote, error) {
	r := remote{name: name, url: d.address(name)}
	hub := *d.s
	client := *d.s.client
	client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if req.URL.Host != via[0].URL.Host || req.Response.Header.Get("X-Linked-Etag") != "" {
			return http.ErrUseLastResponse
		}
		return checkRedirect(req, via)
	}
	hub.client = &client
	err := hub.try(ctx, func() (*http.Request, error) { return d.s.request(http.MethodHead, r.url) }, func(res *http.Response) error {
		h := res.Header
		if c := h.Get("X-Repo-Commit"); c != "" && c != d.commit {
			return fmt.Errorf("%w: the server answers for the commit %q, asked was %s", errFinal, c, d.commit)
		}
		etag, size := h.Get("X-Linked-Etag"), h.Get("X-Linked-Size")
		if etag == "" {
			etag = h.Get("ETag")
		}
		if size == "" {
			size = h.Get("Content-Length")
		}
		r.etag = strings.Trim(strings.TrimPrefix(etag, "W/"), `"`)
		if !goodETag.MatchString(r.etag) {
			return fmt.Errorf("%w: the server names no checksum for it (ETag %q)", errFinal, etag)
		}
		var err error
		if r.size, err = strconv.ParseInt(size, 10, 64); err != nil || r.size < 0 || r.size > maxFile {
			return fmt.Errorf("%w: the server says that it is %q bytes long", errFinal, size)
		}
		return nil
	})
	switch {
	case errors.Is(err, errFinal):
		return r, fmt.Errorf("%w: %v: %s: %w", ErrServer, d.ref, name, err)
	case err != nil:
		return r, d.s.explain(d.ref, name, err)
	}
	return r, nil
}

// run downloads what plan found missing.
func (d *download) run(ctx context.Context) error {
	for _, f := range d.files {
		if err := d.file(ctx, f); err != nil {
			return err
		}
		if err := d.cache.place(d.commit, f.name, f.etag); err != nil {
			return fmt.Errorf("%v: %s: %w", d.ref, f.name, err)
		}
	}
	return nil
}

// file brings one blob into the cache.
func (d *download) file(ctx context.Context, f remote) error {
	blob := d.cache.blob(f.etag)
	if err := os.MkdirAll(filepath.Dir(blob), 0o755); err != nil {
		return fmt.Errorf("%v: %w", d.ref, err)
	}
	unlock, err := d.cache.lock(ctx, f.etag)
	if err != nil {
		return fmt.Errorf("%v: %s: %w", d.ref, f.name, err)
	}
	defer unlock()
	before := d.done
	if info, err := os.Stat(blob); err == nil && info.Size() == f.size {
		d.report(f.name, before+f.size)
		return nil
	}
	p := &part{
		path: blob + ".incomplete", size: f.size, etag: f.etag,
		request: func() (*http.Request, error) { return d.s.request(http.MethodGet, f.url) },
		report:  func(n int64) { d.report(f.name, before+n) },
	}
	err = p.fetch(ctx, d.s)
	d.fetched += p.fetched
	if err != nil {
		return d.s.explain(d.ref, f.name, err)
	}
	if err := os.Rename(p.path, blob); err != nil {
		return fmt.Errorf("%v: %s: %w", d.ref, f.name, err)
	}
	return nil
}

func (d *download) report(name string, done int64) {
	d.done = done
	if d.s.Progress != nil {
		d.s.Progress(Progress{File: name, Done: done, Total: d.total})
	}
}
