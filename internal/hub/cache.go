package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/aladin-go/aladin/internal/atomicfile"
)

// A cache is one model's folder in Hugging Face's cache: blobs named by their checksums, snapshots of commits
// whose files are links to them, and refs that say which commit a branch was at.
type cache struct {
	root string
	dir  string
	name string
}

func newCache(root, repo string) cache {
	name := "models--" + strings.ReplaceAll(repo, "/", "--")
	return cache{root: root, dir: filepath.Join(root, name), name: name}
}

func (c cache) blob(etag string) string { return filepath.Join(c.dir, "blobs", etag) }

func (c cache) snapshot(commit string) string { return filepath.Join(c.dir, "snapshots", commit) }

func (c cache) file(commit, name string) string {
	return filepath.Join(c.snapshot(commit), filepath.FromSlash(name))
}

// commit is what a revision was the last time, "" if that is not known.
func (c cache) commit(revision string) string {
	if goodCommit.MatchString(revision) {
		if _, err := os.Stat(c.snapshot(revision)); err == nil {
			return revision
		}
	}
	b, err := os.ReadFile(filepath.Join(c.dir, "refs", filepath.FromSlash(revision)))
	if err != nil {
		return ""
	}
	if s := strings.TrimSpace(string(b)); goodCommit.MatchString(s) {
		return s
	}
	return ""
}

// remember notes which commit a branch or tag is at.
func (c cache) remember(revision, commit string) error {
	if revision == commit {
		return nil
	}
	path := filepath.Join(c.dir, "refs", filepath.FromSlash(revision))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := io.WriteString(w, commit)
		return err
	})
}

// files lists a snapshot's files that are there whole.
func (c cache) files(commit string) []File {
	var list []File
	root := c.snapshot(commit)
	_ = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		info, err := os.Stat(p) // through the link
		name, relErr := filepath.Rel(root, p)
		if err == nil && relErr == nil && info.Mode().IsRegular() && len(list) < maxFiles {
			list = append(list, File{filepath.ToSlash(name), info.Size()})
		}
		return nil
	})
	return list
}

// place links a blob into a snapshot; where the system cannot link, the file itself goes there.
func (c cache) place(commit, name, etag string) error {
	path := c.file(commit, name)
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	target, err := filepath.Rel(dir, c.blob(etag))
	if err != nil {
		return err
	}
	_ = os.Remove(path) // a link that leads nowhere
	err = os.Symlink(target, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	return os.Rename(c.blob(etag), path)
}

// lock keeps two programs from downloading the same file.
func (c cache) lock(ctx context.Context, etag string) (unlock func(), err error) {
	path := filepath.Join(c.root, ".locks", c.name, etag+".lock")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	l := flock.New(path)
	if ok, err := l.TryLockContext(ctx, 200*time.Millisecond); err != nil || !ok {
		return nil, fmt.Errorf("waiting for another download (%s): %w", path, errors.Join(err, ctx.Err()))
	}
	return func() { _ = l.Close() }, nil
}
