package bundle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Bundle is an opened model folder. It holds no resources: there is nothing to close.
type Bundle struct {
	// Manifest is model.json; it must not be changed.
	Manifest Manifest

	dir         string
	fingerprint string
	checks      map[string]func() error // by file, each does its work once
}

// Open opens the bundle in folder dir. Checksums are left to Path and Verify.
func Open(dir string) (*Bundle, error) {
	b, err := open(dir)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", dir, err)
	}
	return b, nil
}

func open(dir string) (*Bundle, error) {
	m, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	b := &Bundle{Manifest: *m, dir: dir, checks: make(map[string]func() error, len(m.Files))}
	if b.fingerprint, err = m.Fingerprint(); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", ManifestFile, ErrCorrupt, err)
	}
	for _, name := range b.Files() {
		if err := b.checkSize(name); err != nil {
			return nil, err
		}
		b.checks[name] = sync.OnceValue(func() error { return b.checkOnce(name) })
	}
	return b, nil
}

func readManifest(dir string) (*Manifest, error) {
	f, err := os.Open(filepath.Join(dir, ManifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		if old := previous(dir); old != "" {
			return nil, fmt.Errorf("%w: a save was interrupted; the model before it is %s: rename that folder", ErrNotBundle, old)
		}
		return nil, fmt.Errorf("%w: there is no %s in it", ErrNotBundle, ManifestFile)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := parse(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ManifestFile, err)
	}
	return m, nil
}

// Dir is the bundle's folder.
func (b *Bundle) Dir() string { return b.dir }

// Fingerprint is the model's name and a hash, as "name@hash"; see the package documentation.
func (b *Bundle) Fingerprint() string { return b.fingerprint }

// Files are the names of all files but model.json, sorted.
func (b *Bundle) Files() []string {
	names := make([]string, 0, len(b.Manifest.Files))
	for name := range b.Manifest.Files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Path is the path of a file in the bundle. The first call for a file checks its contents and those of its
// external data (name.…); a damaged one is reported with ErrCorrupt.
func (b *Bundle) Path(name string) (string, error) {
	check, ok := b.checks[name]
	if !ok {
		hint := ""
		if !b.Manifest.Encodes() {
			hint = "; the model is a skeleton that must be trained first (aladin-train run)"
		}
		return "", fmt.Errorf("model %s: %s is %w%s", b.dir, name, ErrNoFile, hint)
	}
	if err := check(); err != nil {
		return "", fmt.Errorf("model %s: %w", b.dir, err)
	}
	for other, check := range b.checks {
		if strings.HasPrefix(other, name+".") {
			if err := check(); err != nil {
				return "", fmt.Errorf("model %s: %w", b.dir, err)
			}
		}
	}
	return filepath.Join(b.dir, name), nil
}

// Digest identifies the contents of a file and its external data, and says how large they are together.
func (b *Bundle) Digest(name string) (digest string, size int64) {
	h := sha256.New()
	for _, other := range b.Files() {
		if f := b.Manifest.Files[other]; other == name || strings.HasPrefix(other, name+".") {
			fmt.Fprintf(h, "%s %s\n", other, f.SHA256)
			size += f.Size
		}
	}
	return hex.EncodeToString(h.Sum(nil)), size
}

// RegionsDir is the folder in which the region source finds the files that Regions.Config names. It checks
// their contents as Path does.
func (b *Bundle) RegionsDir() (string, error) {
	for _, name := range b.Manifest.regionFiles() {
		if _, err := b.Path(name); err != nil {
			return "", err
		}
	}
	return b.dir, nil
}

// Verify checks the contents of every file now, several at a time.
func (b *Bundle) Verify(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, name := range b.Files() {
		g.Go(func() error { return b.checksum(ctx, name) })
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("model %s: %w", b.dir, err)
	}
	return nil
}

func (b *Bundle) checkSize(name string) error {
	info, err := os.Stat(filepath.Join(b.dir, name))
	switch want := b.Manifest.Files[name].Size; {
	case err != nil:
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, name, err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: %s is no regular file", ErrCorrupt, name)
	case info.Size() != want:
		return fmt.Errorf("%w: %s has %d bytes where %s says %d; copy or train the model again", ErrCorrupt, name, info.Size(), ManifestFile, want)
	}
	return nil
}

// checkOnce is checksum but for files that were found to be right before and have not changed.
func (b *Bundle) checkOnce(name string) error {
	path, sum := filepath.Join(b.dir, name), b.Manifest.Files[name].SHA256
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, name, err)
	}
	if seen(path, info, sum) {
		return nil
	}
	if err := b.checksum(context.Background(), name); err != nil {
		return err
	}
	remember(path, info, sum)
	return nil
}

func (b *Bundle) checksum(ctx context.Context, name string) error {
	f, err := os.Open(filepath.Join(b.dir, name))
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, name, err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, contextReader{ctx, f}); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if got, want := hex.EncodeToString(h.Sum(nil)), b.Manifest.Files[name].SHA256; got != want {
		return fmt.Errorf("%w: %s has sha256 %s where %s says %s; copy or train the model again", ErrCorrupt, name, got, ManifestFile, want)
	}
	return nil
}

// contextReader ends when its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
