package ortsetup

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// A client is a program that fetches packages of a registry.
type client string

const (
	npm client = "npm"
	pip client = "pip"
)

// suffix ends the names of the archives.
func (c client) suffix() string {
	if c == pip {
		return ".whl"
	}
	return ".tgz"
}

// command is how the archive's client is called to write it to dir.
func (a archive) command(dir string) (program string, args []string, err error) {
	if a.client == npm {
		if program, err = exec.LookPath("npm"); err != nil {
			return "", nil, fmt.Errorf("npm: %w: install Node.js (https://nodejs.org, or your system's package npm)", ErrNoClient)
		}
		return program, []string{"pack", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier",
			"--loglevel=error", "--pack-destination", dir, a.spec()}, nil
	}
	// The wheel of one fixed Python, whichever this machine's is: only the library in it is used.
	args = []string{"download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--implementation", "cp",
		"--python-version", "3.11", "--platform", a.platform, "--dest", dir, a.spec()}
	for _, name := range []string{"pip3", "pip"} {
		if program, err := exec.LookPath(name); err == nil {
			return program, args, nil
		}
	}
	for _, name := range []string{"python3", "python"} {
		if program, err := exec.LookPath(name); err == nil {
			return program, append([]string{"-m", "pip"}, args...), nil
		}
	}
	return "", nil, fmt.Errorf("pip: %w: install Python with pip", ErrNoClient)
}

// walk calls fn for the files of an archive until it wants no more.
func (c client) walk(file string, fn func(name string, r io.Reader) (more bool, err error)) error {
	if c == pip {
		return walkZip(file, fn)
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	gz, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for tr := tar.NewReader(gz); ; {
		head, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if head.Typeflag != tar.TypeReg {
			continue
		}
		if more, err := fn(head.Name, tr); err != nil || !more {
			return err
		}
	}
}

func walkZip(file string, fn func(name string, r io.Reader) (more bool, err error)) error {
	z, err := zip.OpenReader(file)
	if err != nil {
		return err
	}
	defer z.Close()
	for _, entry := range z.File {
		r, err := entry.Open()
		if err != nil {
			return err
		}
		more, err := fn(entry.Name, r)
		if err = errors.Join(err, r.Close()); err != nil || !more {
			return err
		}
	}
	return nil
}
