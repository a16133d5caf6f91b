package ortsetup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

var (
	// ErrNoClient is returned when no client of a package registry that could fetch ONNX Runtime is on the PATH.
	ErrNoClient = errors.New("not found on the PATH")
	// ErrChecksum is returned when what was fetched is not the pinned package. Nothing is installed then.
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
	var failed []error
	for _, a := range p.archives {
		err := a.install(ctx, dir, report)
		if err == nil {
			report(fmt.Sprintf("%s installed: %s", a.spec(), dir))
			return nil
		}
		if ctx.Err() != nil || errors.Is(err, ErrChecksum) { // another source would only hide that
			return err
		}
		failed = append(failed, err)
	}
	a := p.archives[0]
	return fmt.Errorf("%w; by hand: unpack %s and set %s to the library in it", errors.Join(failed...), a.url(), EnvLibrary)
}

// install fetches and unpacks the archive in a folder beside the goal, so that the last step is a rename.
func (a archive) install(ctx context.Context, dir string, report func(string)) error {
	tmp, err := os.MkdirTemp(dir, ".setup-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	file, err := a.fetch(ctx, tmp, report)
	if err != nil {
		return err
	}
	report("checking and unpacking")
	if err := a.verify(file); err != nil {
		return err
	}
	if err := a.unpack(ctx, file, tmp); err != nil {
		return err
	}
	for _, f := range a.files {
		if err := os.Rename(filepath.Join(tmp, f.name), filepath.Join(dir, f.name)); err != nil {
			return err
		}
	}
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
	for _, f := range p.archives[0].files {
		if info, err := os.Stat(filepath.Join(dir, f.name)); err != nil || !info.Mode().IsRegular() {
			return false
		}
	}
	return true
}

// fetch has the client write the archive to dir. Neither `npm pack` nor `pip download` of a wheel runs code of the package.
func (a archive) fetch(ctx context.Context, dir string, report func(string)) (string, error) {
	program, args, err := a.command(dir)
	if err != nil {
		return "", err
	}
	report(fmt.Sprintf("fetching %s with %s, about %d MB", a.spec(), a.client, a.megabytes))
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
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
				return "", fmt.Errorf("%s: %w: %s; is there a network? The next run starts afresh", a.client, err, lastLines(errs.String(), 3))
			}
			return a.fetched(dir)
		}
	}
}

// fetched is the one file that the client has left in dir.
func (a archive) fetched(dir string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*"+a.client.suffix()))
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%s left %d archives where one was expected", a.client, len(found))
	}
	return found[0], nil
}

func (a archive) verify(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != a.sha256 {
		return fmt.Errorf("%w: sha256 of %s is %s, not %s; nothing was installed (does %s use a mirror that alters packages?)",
			ErrChecksum, filepath.Base(file), got, a.sha256, a.client)
	}
	return nil
}

// unpack writes the wanted files to dir, under their new names.
func (a archive) unpack(ctx context.Context, file, dir string) error {
	left := slices.Clone(a.files)
	err := a.client.walk(file, func(name string, r io.Reader) (more bool, err error) {
		i := slices.IndexFunc(left, func(m member) bool { return m.path == name })
		if i < 0 {
			return true, ctx.Err()
		}
		if err := writeFile(filepath.Join(dir, left[i].name), r); err != nil {
			return false, err
		}
		left = slices.Delete(left, i, i+1)
		return len(left) > 0, ctx.Err()
	})
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%s lacks %s", filepath.Base(file), left[0].path)
	}
	return err
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
