package scenes

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"
)

// WriteDir writes the scenes from, …, to-1 into a folder, which it makes if need be, as described
// in the package's documentation. The tables are put in place after all pictures, so that a folder
// with a captions.tsv is complete. progress may be nil; it is called after each scene.
func (g *Generator) WriteDir(ctx context.Context, dir string, from, to int, progress func(done, total int)) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("scenes: %w", err)
	}
	var tables []*table
	defer func() {
		for _, t := range tables {
			err = errors.Join(err, t.close(err == nil))
		}
	}()
	open := func(name, heading string) (*table, error) {
		t, err := newTable(filepath.Join(dir, name), heading)
		if err == nil {
			tables = append(tables, t)
		}
		return t, err
	}
	boxes, err := open("boxes.tsv", "file\tobject\tx1\ty1\tx2\ty2\tvisible\tshape\tcolour\tmaterial\tsize\n")
	if err != nil {
		return err
	}
	mentions, err := open("mentions.tsv", "file\tcaption\tstart\tend\tobjects\n")
	if err != nil {
		return err
	}
	captions, err := open("captions.tsv", "")
	if err != nil {
		return err
	}

	done := 0
	for s := range g.Range(ctx, from, to) {
		file := s.ID + ".png"
		if err := s.writePNG(filepath.Join(dir, file)); err != nil {
			return err
		}
		for i := range s.Objects {
			o := &s.Objects[i]
			fmt.Fprintf(boxes, "%s\t%d\t%.5f\t%.5f\t%.5f\t%.5f\t%.3f\t%s\t%s\t%s\t%s\n", file, i,
				o.Box[0], o.Box[1], o.Box[2], o.Box[3], o.Visible, o.Shape, o.Colour, o.Material, o.Size)
		}
		for i, c := range s.Captions {
			fmt.Fprintf(captions, "%s\t%d\t%s\n", file, i, c.Text)
			for _, m := range c.Mentions {
				list := strings.Trim(strings.ReplaceAll(fmt.Sprint(m.Objects), " ", ","), "[]")
				fmt.Fprintf(mentions, "%s\t%d\t%d\t%d\t%s\n", file, i, m.Start, m.End, list)
			}
		}
		done++
		if progress != nil {
			progress(done, to-from)
		}
	}
	if done < to-from {
		return fmt.Errorf("scenes: stopped after %d of %d: %w", done, to-from, context.Cause(ctx))
	}
	return nil
}

func (s *Scene) writePNG(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("scenes: %w", err)
	}
	enc := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := errors.Join(enc.Encode(f, s.Image), f.Close()); err != nil {
		return fmt.Errorf("scenes: writing %s: %w", path, err)
	}
	return nil
}

// A table is a text file that appears under its name only when it is whole. Writes keep the first
// error for close to report.
type table struct {
	*bufio.Writer
	f    *os.File
	path string
}

func newTable(path, heading string) (*table, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, fmt.Errorf("scenes: %w", err)
	}
	t := &table{bufio.NewWriter(f), f, path}
	_, _ = t.WriteString(heading) // Flush reports it
	return t, nil
}

// close puts the table in place, or removes it where keep is false or something went wrong.
func (t *table) close(keep bool) error {
	err := errors.Join(t.Flush(), t.f.Chmod(0o644), t.f.Sync(), t.f.Close())
	if keep && err == nil {
		err = os.Rename(t.f.Name(), t.path)
	}
	if !keep || err != nil {
		_ = os.Remove(t.f.Name())
	}
	if err != nil {
		return fmt.Errorf("scenes: writing %s: %w", t.path, err)
	}
	return nil
}
