package vinvl

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/aladin-go/aladin/internal/region"
)

// Options of a dataset; nil and zero mean: Faster R-CNN only, every region, bad rows fatal.
type Options struct {
	Detection Detection
	// MaxRegions cuts the regions of a picture, not its tags (ALADIN: 34). 0 keeps all.
	MaxRegions int
	// Dim is the number of features a region must have; 0 takes it from the first row.
	Dim int
	// Stats are the confidences' mean and deviation that a merge needs. nil measures them when the
	// dataset is opened, over all pictures, at the price of reading the detections once.
	Stats *Stats
	// OnBad decides about a bad row: nil lets the picture out and goes on, an error ends the reading with
	// it. Without OnBad every bad row is fatal. It is called from one goroutine at a time.
	OnBad func(*RowError) error
	// Progress is called by Images as pictures are done, from one goroutine at a time.
	Progress func(done, total int)
	// Workers is how many pictures Images reads at a time; 0 means one a processor.
	Workers int
	// SaveIndex writes a .lineidx that had to be made beside its file.
	SaveIndex bool
}

// An Image is what a dataset knows of a picture.
type Image struct {
	ID  string
	Set *region.Set
	// CRC is the CRC-32C of the rows that were read, for noticing changed data later.
	CRC uint32
}

// A Dataset is an open features folder.
type Dataset struct {
	o    Options
	bad  sync.Mutex // held around OnBad
	fast *rows      // features.tsv; nil when not read
	pred *rows      // predictions.tsv
	det  *rows      // detic.tsv
	dim  int
	pad  int // size of a padded Detic region; 0 when they are not padded
	st   Stats
	bufs sync.Pool
}

// rows is a TSV file with the line of every image.
type rows struct {
	*lines
	line map[string]int
}

// Open opens the features folder dir. The path of a file in it, FOLDER/features.tsv as the released code wants it, names
// the folder as well, and the file that the regions are read from.
func Open(ctx context.Context, dir string, o *Options) (_ *Dataset, err error) {
	if o == nil {
		o = &Options{}
	}
	d := &Dataset{o: *o}
	if d.o.Detection < 0 || int(d.o.Detection) >= len(detections) {
		return nil, fmt.Errorf("%w: %v", ErrDetection, d.o.Detection)
	}
	if d.o.MaxRegions < 0 || d.o.Dim < 0 || d.o.Workers < 0 {
		return nil, fmt.Errorf("vinvl: negative option: MaxRegions %d, Dim %d, Workers %d", d.o.MaxRegions, d.o.Dim, d.o.Workers)
	}
	d.bufs.New = func() any { return new([]byte) }
	features := "features.tsv"
	if st, err := os.Stat(dir); err == nil && st.Mode().IsRegular() {
		dir, features = filepath.Split(dir)
	}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	for _, f := range []struct {
		wanted bool
		name   string
		to     **rows
	}{
		{d.o.Detection.fastRegions(), features, &d.fast},
		{d.o.Detection.fastObjects(), "predictions.tsv", &d.pred},
		{d.o.Detection.detObjects(), "detic.tsv", &d.det},
	} {
		if !f.wanted {
			continue
		}
		if *f.to, err = d.openRows(ctx, filepath.Join(dir, f.name), f.to == &d.fast); err != nil {
			return nil, fmt.Errorf("detection type %v: %w", d.o.Detection, err)
		}
	}
	if err = d.measureDim(ctx); err != nil {
		return nil, err
	}
	if d.o.Detection.merged() {
		if d.o.Stats != nil {
			d.st = *d.o.Stats
		} else if d.st, err = d.Measure(ctx, d.IDs()); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// openRows opens a file; indexed says that imageid2idx.json lists its lines.
func (d *Dataset) openRows(ctx context.Context, path string, indexed bool) (*rows, error) {
	l, err := openLines(ctx, path, d.o.SaveIndex)
	if err != nil {
		return nil, err
	}
	r := &rows{lines: l}
	index := filepath.Join(filepath.Dir(path), "imageid2idx.json")
	if indexed {
		if r.line, err = readImageIndex(index, l.Len()); err == nil {
			return r, nil
		}
	} else {
		err = os.ErrNotExist // the other files have no such index
	}
	if errors.Is(err, os.ErrNotExist) {
		r.line, err = l.ids(ctx, d.badRow)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return r, nil
}

// readImageIndex reads imageid2idx.json for a file of n lines.
func readImageIndex(path string, n int) (map[string]int, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var index map[string]int
	if err := json.NewDecoder(f).Decode(&index); err != nil {
		return nil, fmt.Errorf("%w: %s: %w; delete it and it is made anew", ErrLineIndex, path, err)
	}
	for id, line := range index {
		if line < 0 || line >= n {
			return nil, fmt.Errorf("%w: %s puts image %s into line %d of %d; delete it and it is made anew", ErrLineIndex, path, clip(id), line+1, n)
		}
	}
	return index, nil
}

// measureDim finds out how long a region's features are, from the first row that is not bad.
func (d *Dataset) measureDim(ctx context.Context) error {
	fast, det := 0, 0
	var err error
	if d.fast != nil {
		if fast, err = firstDim(ctx, d.fast, func(line []byte) (int, error) {
			_, t, err := parseFeatures(line)
			return t.dim, err
		}); err != nil {
			return err
		}
	}
	if d.o.Detection.detRegions() {
		if det, err = firstDim(ctx, d.det, func(line []byte) (int, error) {
			_, _, t, err := parseDetic(line)
			return t.dim + boxNumbers, err
		}); err != nil {
			return err
		}
	}
	switch d.o.Detection {
	case Det:
		d.dim = det
	case DetPadded: // features of Detic are half as long as those it is to look like
		d.dim = 2*(det-boxNumbers) + boxNumbers
		d.pad = d.dim
	case DetFast:
		d.dim, d.pad = fast, fast
		if det > fast {
			return fmt.Errorf("vinvl: %s has %d features a region, more than the %d of %s: nothing to pad", d.det.path, det, fast, d.fast.path)
		}
	default:
		d.dim = fast
	}
	if d.o.Dim > 0 {
		if d.o.Detection == DetPadded && d.o.Dim >= det {
			d.dim, d.pad = d.o.Dim, d.o.Dim
		}
		if d.dim > 0 && d.dim != d.o.Dim {
			return fmt.Errorf("vinvl: regions have %d features (detection type %v) where the model reads %d", d.dim, d.o.Detection, d.o.Dim)
		}
		d.dim = d.o.Dim
	}
	return nil
}

// firstDim looks for the first row with regions.
func firstDim(ctx context.Context, r *rows, dim func([]byte) (int, error)) (int, error) {
	for i := range r.Len() {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		line, err := r.Read(i, nil)
		if errors.Is(err, ErrLineIndex) || err != nil && !errors.Is(err, ErrRow) {
			return 0, err // no row will do better
		}
		if err != nil {
			continue // reported when the picture is asked for
		}
		if n, err := dim(line); err == nil && n > boxNumbers {
			return n, nil
		}
	}
	return 0, nil
}

// Close closes the files.
func (d *Dataset) Close() error {
	var errs []error
	for _, r := range []*rows{d.fast, d.pred, d.det} {
		if r != nil {
			errs = append(errs, r.Close())
		}
	}
	return errors.Join(errs...)
}

// Dim is the number of features a region has; 0 if no row has regions.
func (d *Dataset) Dim() int { return d.dim }

// Stats are the confidences' mean and deviation that merges use.
func (d *Dataset) Stats() Stats { return d.st }

// regions is the file that says which pictures there are.
func (d *Dataset) regions() *rows {
	if d.fast != nil {
		return d.fast
	}
	return d.det
}

// IDs are the pictures in the order of the regions' file.
func (d *Dataset) IDs() []string {
	r := d.regions()
	ids := make([]string, 0, len(r.line))
	for id := range r.line {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int { return cmp.Or(r.line[a]-r.line[b], cmp.Compare(a, b)) })
	return ids
}

// Has reports whether there are regions of a picture.
func (d *Dataset) Has(id string) bool { _, ok := d.regions().line[id]; return ok }

// badRow asks OnBad about an error.
func (d *Dataset) badRow(e *RowError) error {
	if d.o.OnBad == nil {
		return e
	}
	d.bad.Lock()
	defer d.bad.Unlock()
	return d.o.OnBad(e)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Image reads one picture. OnBad is not asked: the error is the caller's to judge.
func (d *Dataset) Image(id string) (*Image, error) {
	buf := d.bufs.Get().(*[]byte)
	defer d.bufs.Put(buf)
	img := &Image{ID: id}
	var (
		regions   table
		pred, det *Objects
		detTable  table
	)
	if d.fast != nil {
		at, err := d.read(d.fast, img, buf)
		if err != nil {
			return nil, err
		}
		var own string
		if own, regions, err = parseFeatures(*buf); err != nil {
			return nil, d.fast.fail(at, id, err)
		}
		if err := d.checkRow(d.fast, at, id, own, regions, d.dim); err != nil {
			return nil, err
		}
	}
	if d.pred != nil {
		at, err := d.read(d.pred, img, buf)
		if err != nil {
			return nil, err
		}
		var own string
		if own, pred, err = parsePrediction(*buf); err != nil {
			return nil, d.pred.fail(at, id, err)
		}
		if own != id {
			return nil, d.pred.fail(at, id, fmt.Errorf("the line is of image %s", clip(own)))
		}
		if len(pred.Objects) != regions.rows {
			return nil, d.pred.fail(at, id, fmt.Errorf("%d objects, and %d regions in line %d of %s", len(pred.Objects), regions.rows, d.fast.line[id]+1, filepath.Base(d.fast.path)))
		}
	}
	if d.det != nil {
		at, err := d.read(d.det, img, buf)
		if err != nil {
			return nil, err
		}
		var own string
		if d.o.Detection.detRegions() {
			own, det, detTable, err = parseDetic(*buf)
		} else {
			own, det, err = parsePrediction(*buf)
		}
		if err != nil {
			return nil, d.det.fail(at, id, err)
		}
		want := d.dim - boxNumbers
		if d.pad > 0 {
			want = detTable.dim
			if want+boxNumbers > d.pad {
				return nil, d.det.fail(at, id, fmt.Errorf("%d features a region do not fit into %d with their box numbers", want, d.pad))
			}
		}
		if err := d.checkRow(d.det, at, id, own, detTable, want); err != nil {
			return nil, err
		}
	}
	img.Set = d.assemble(regions, pred, det, detTable)
	err := img.Set.Validate()
	if img.Set.Len() == 0 {
		err = ErrNoRegions
	}
	if err != nil {
		return nil, d.regions().fail(d.regions().line[id], id, err)
	}
	return img, nil
}

// checkRow compares a row with what was asked for.
func (d *Dataset) checkRow(r *rows, at int, id, own string, t table, dim int) error {
	switch {
	case own != id:
		return r.fail(at, id, fmt.Errorf("the line is of image %s", clip(own)))
	case t.rows > 0 && t.dim != dim:
		return r.fail(at, id, fmt.Errorf("%d features a region, and %d in the other rows", t.dim, dim))
	case t.rows > 0 && r == d.fast && t.dim <= boxNumbers:
		return r.fail(at, id, fmt.Errorf("%d features a region, no more than the box numbers alone", t.dim))
	}
	return nil
}

// read reads a picture's line of a file into buf and adds it to the picture's checksum.
func (d *Dataset) read(r *rows, img *Image, buf *[]byte) (int, error) {
	at, ok := r.line[img.ID]
	if !ok {
		return 0, r.fail(-1, img.ID, ErrMissing)
	}
	line, err := r.Read(at, *buf)
	if err != nil {
		var row *RowError
		if errors.As(err, &row) {
			row.ID = img.ID
		}
		return 0, err
	}
	*buf = line
	img.CRC = crc32.Update(img.CRC, castagnoli, line)
	return at, nil
}

// assemble makes the region set that the detection type asks for.
func (d *Dataset) assemble(fast table, pred, det *Objects, detTable table) *region.Set {
	s := &region.Set{Dim: d.dim}
	size := pred
	if size == nil {
		size = det
	}
	if size != nil {
		s.Width, s.Height = int(size.Width), int(size.Height)
	}
	var merged []Merged
	if d.o.Detection.merged() {
		merged = Merge(pred, det, d.st)
		s.Tags = make([]string, len(merged))
		for i, m := range merged {
			s.Tags[i] = pick(m, pred, det).Objects[m.Index].Class
		}
	}
	switch d.o.Detection {
	case Fast, DetFastLabels, FastDetLabels:
		s.Features, s.Boxes = fast.data, fast.boxes()
		if pred != nil {
			s.Labels = pred.Classes()
		}
		if d.o.Detection == FastDetLabels {
			s.Tags = det.Classes()
		} else if s.Tags == nil {
			s.Tags = pred.Classes()
		}
	case Det, DetPadded:
		s.Labels, s.Tags = det.Classes(), det.Classes()
		for i := range det.Objects {
			s.Features, s.Boxes = d.appendDetic(s.Features, det, detTable, i), append(s.Boxes, det.box(i))
		}
	case DetFast:
		boxes := fast.boxes()
		for _, m := range merged {
			s.Labels = append(s.Labels, pick(m, pred, det).Objects[m.Index].Class)
			if m.Detic {
				s.Features, s.Boxes = d.appendDetic(s.Features, det, detTable, m.Index), append(s.Boxes, det.box(m.Index))
			} else {
				s.Features, s.Boxes = append(s.Features, fast.row(m.Index)...), append(s.Boxes, boxes[m.Index])
			}
		}
	}
	if n := d.o.MaxRegions; n > 0 && len(s.Boxes) > n {
		// Copied, so that the rest of a long row can be freed.
		s.Boxes, s.Features = slices.Clone(s.Boxes[:n]), slices.Clone(s.Features[:n*s.Dim])
		if s.Labels != nil {
			s.Labels = s.Labels[:n]
		}
	}
	return s
}

func pick(m Merged, fast, det *Objects) *Objects {
	if m.Detic {
		return det
	}
	return fast
}

// appendDetic adds a region of Detic: its features, its six box numbers, and zeros when padded.
func (d *Dataset) appendDetic(features []float32, o *Objects, t table, i int) []float32 {
	b := o.box(i)
	features = append(features, t.row(i)...)
	features = append(features, b[0], b[1], b[2], b[3], region.Height(b), region.Width(b))
	for n := t.dim + boxNumbers; n < d.pad; n++ {
		features = append(features, 0)
	}
	return features
}

// parsePrediction reads a row of predictions.tsv, or the first two columns of detic.tsv.
func parsePrediction(line []byte) (id string, o *Objects, err error) {
	cols := bytes.SplitN(line, []byte{'\t'}, 3)
	id = string(bytes.TrimSpace(cols[0]))
	if len(cols) < 2 {
		return id, nil, fmt.Errorf("%d columns; at least id and detections are needed", len(cols))
	}
	if o, err = parseObjects(cols[1]); err != nil {
		return id, nil, err
	}
	o.ID = id
	return id, o, nil
}

// parseDetic reads a row of detic.tsv. It may use line as scratch space.
func parseDetic(line []byte) (id string, o *Objects, t table, err error) {
	if id, o, err = parsePrediction(line); err != nil {
		return id, nil, t, err
	}
	if bytes.Count(line, []byte{'\t'}) < 2 {
		return id, nil, t, fmt.Errorf("2 columns; id, detections and features are needed")
	}
	t.rows = len(o.Objects)
	if t.rows > maxBoxes {
		return id, nil, t, fmt.Errorf("%d objects", t.rows)
	}
	err = t.decode(line[bytes.LastIndexByte(line, '\t')+1:])
	return id, o, t, err
}
