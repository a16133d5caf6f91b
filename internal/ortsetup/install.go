package ortsetup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

var (
	// ErrNoNPM is returned when npm is needed and not on the PATH.
	ErrNoNPM = errors.New("npm not found")
	// ErrChecksum is returned when what npm fetched is not the pinned package. Nothing is installed then.
	ErrChecksum = errors.New("checksum mismatch")
)

// Options says what Install does. Nil and zero values mean defaults.
type Options struct {
	// CUDA adds the CUDA provider.
	CUDA bool
	// Report receives a line for each step; nil drops them.
	Report func(line string)
}

// Install puts ONNX Runtime into [Dir] unless it is there, and returns the folder. What is there already
// is not fetched again, so only the first call needs a network. Files appear under their names only when
// complete: an interrupted call, or two at once, do no harm.
func Install(ctx context.Context, opts *Options) (string, error) {
	if opts == nil {
		opts = &Options{}
	}
	report := opts.Report
	if report == nil {
		report = func(string) {}
	}
	dir, err := Dir()
	if err != nil {
		return "", err
	}
	wanted := []func(string) (pkg, error){runtimePackage}
	if opts.CUDA {
		wanted = append(wanted, cudaPackage)
	}
	for _, find := range wanted {
		p, err := find(Platform())
		if err != nil {
			return "", err
		}
		if err := install(ctx, p, dir, report); err != nil {
			return "", fmt.Errorf("setting up %s: %w", p.spec(), err)
		}
	}
	return dir, nil
}

func install(ctx context.Context, p pkg, dir string, report func(string)) error {
	if p.installed(dir) {
		report(fmt.Sprintf("%s is there: %s", p.spec(), dir))
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	removeStale(dir)
	tmp, err := os.MkdirTemp(dir, ".setup-*") // beside the goal, so that the last step is a rename
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	tarball, err := p.fetch(ctx, tmp, report)
	if err != nil {
		return err
	}
	report("checking and unpacking")
	if err := p.verify(tarball); err != nil {
		return err
	}
	if err := p.unpack(ctx, tarball, tmp); err != nil {
		return err
	}
	for _, f := range p.files {
		name := path.Base(f)
		if err := os.Rename(filepath.Join(tmp, name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	report(fmt.Sprintf("%s installed: %s", p.spec(), dir))
	return nil
}

// removeStale removes what killed calls have left, when it is too old to be a call under way.
func removeStale(dir string) {
	found, _ := filepath.Glob(filepath.Join(dir, ".setup-*"))
	for _, f := range found {
		if info, err := os.Stat(f); err == nil && time.Since(info.ModTime()) > time.Hour {
			_ = os.RemoveAll(f)
		}
	}
}

// installed says whether all files are in dir.
func (p pkg) installed(dir string) bool {
	for _, f := range p.files {
		if info, err := os.Stat(filepath.Join(dir, path.Base(f))); err != nil || !info.Mode().IsRegular() {
			return false
		}
	}
	return true
}

// fetch has npm write the package's tarball to dir. `npm pack` runs no script of the package.
func (p pkg) fetch(ctx context.Context, dir string, report func(string)) (string, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", fmt.Errorf("%w on the PATH: install Node.js (https://nodejs.org, or your system's package npm) and run this again, or unpack %s yourself and set %s to the library in it",
			ErrNoNPM, p.url(), EnvLibrary)
	}
	report(fmt.Sprintf("fetching %s with npm, about %d MB", p.spec(), p.megabytes))
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, npm, "pack", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier",
		"--loglevel=error", "--pack-destination", dir, p.spec())
	cmd.Dir = dir // no package.json and no .npmrc of the project's has a say
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = 5 * time.Second
	done := make(chan error, 1)
	start := time.Now()
	go func() { done <- cmd.Run() }()
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			report(fmt.Sprintf("  still fetching, %d s", int(time.Since(start).Seconds())))
		case err := <-done:
			if ctx.Err() != nil {
				return "", ctx.Err()
			}
			if err != nil {
				return "", fmt.Errorf("npm pack: %w: %s; is there a network? (The next run starts afresh. By hand: unpack %s and set %s to the library in it)",
					err, lastLines(errs.String(), 3), p.url(), EnvLibrary)
			}
			return tarballIn(dir)
		}
	}
}

func tarballIn(dir string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("npm pack left %d tarballs where one was expected", len(found))
	}
	return found[0], nil
}

func (p pkg) verify(tarball string) error {
	f, err := os.Open(tarball)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != p.sha256 {
		return fmt.Errorf("%w: sha256 of %s is %s, not %s; nothing was installed (does npm use a mirror that alters packages?)",
			ErrChecksum, filepath.Base(tarball), got, p.sha256)
	}
	return nil
}

// unpack writes the package's files, without their folders, to dir.
func (p pkg) unpack(ctx context.Context, tarball, dir string) error {
	f, err := os.Open(tarball)
	if err != nil {
		return err
	}
	defer f.Close()
	gz, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	left := slices.Clone(p.files)
	for tr := tar.NewReader(gz); len(left) > 0; {
		head, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%s lacks %s", filepath.Base(tarball), strings.Join(left, ", "))
		}
		if err != nil {
			return err
		}
		i := slices.Index(left, head.Name)
		if i < 0 || head.Typeflag != tar.TypeReg {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := writeFile(filepath.Join(dir, path.Base(head.Name)), tr); err != nil {
			return err
		}
		left = slices.Delete(left, i, i+1)
	}
	return nil
}

func writeFile(name string, r io.Reader) (err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := io.Copy(f, r); err != nil {
		return err
	}
	return f.Sync()
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}
