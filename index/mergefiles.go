package index

import (
	"context"
	"errors"
	"fmt"
)

// MergeOptions say what Merge makes of files. Nil and zero mean defaults.
type MergeOptions struct {
	// BuildOptions are those of the new file. Match and Regions may be coarser than those of the files (F32, F16,
	// Int8, then Bits, FourBit and TwoBit, and None last); zero keeps what the files have. Of items with one id
	// Duplicates keeps the first file's (SkipDuplicate), the last file's (ReplaceDuplicate), or none (FailDuplicate).
	BuildOptions

	// Progress is called with items done and in all.
	Progress func(done, total int)
}

// Merge makes one index file at path of others, which stay as they are. Items keep their codes, tags, texts,
// metadata and states; what was deleted is left out; cells are made by Compact. All files must hold encodings of one
// model. It takes the memory that a Builder takes, whatever the files' size.
//
// The new file is, byte for byte, what a Builder makes of the same items in ascending order of id. That also holds
// where Match or Regions is one of the codecs that are coarser than int8, if the files are of int8 or f32.
func Merge(ctx context.Context, path string, files []string, opts *MergeOptions) (Stats, error) {
	var o MergeOptions
	if opts != nil {
		o = *opts
	}
	m := &merger{progress: o.Progress, duplicates: o.Duplicates}
	defer m.close()
	if err := m.open(files, &o.BuildOptions); err != nil {
		return Stats{}, err
	}
	b, err := NewBuilder(path, &o.BuildOptions)
	if err != nil {
		return Stats{}, err
	}
	m.a = b.a
	if err = m.run(ctx); err == nil {
		err = b.Finish(ctx)
	}
	err = errors.Join(err, b.Close())
	return b.Stats(), err
}

// merger copies the rows of files into a new one.
type merger struct {
	files      []*snapshot
	cursors    []*cursor
	a          *appender
	duplicates OnDuplicate
	last       []byte // id

	done, total int
	progress    func(done, total int)
}

// open opens the files and settles the options that follow from them.
func (m *merger) open(files []string, o *BuildOptions) error {
	if len(files) == 0 {
		return fmt.Errorf("%w: no files to merge", ErrInvalid)
	}
	c, err := o.withDefaults()
	if err != nil {
		return err
	}
	const cache = 64 << 20 // of all files
	for i, name := range files {
		sn, err := openSnapshot(c.FS, name, cache/int64(len(files)))
		if err != nil {
			return err
		}
		m.files = append(m.files, sn)
		rank := i
		if o.Duplicates == ReplaceDuplicate {
			rank = -i
		}
		m.cursors = append(m.cursors, sn.cursors(rank)...)
		m.total += sn.items
	}
	for _, sn := range m.files {
		if o.Model == "" {
			o.Model = sn.r.Manifest().Model
		}
		if model := sn.r.Manifest().Model; model != o.Model && (model != "" || sn.items > 0) {
			return fmt.Errorf("%s: %w: it holds model %q, %s holds %q", sn.r.Name(), ErrModelMismatch, model, m.files[0].r.Name(), o.Model)
		}
	}
	if err := m.settle("regions", &o.Regions, func(sn *snapshot) (Codec, Codec) {
		return sn.store.opts.Regions, sn.store.opts.Regions
	}); err != nil {
		return err
	}
	return m.settle("vectors", &o.Match, func(sn *snapshot) (stored, finest Codec) {
		if o.QueryMean == nil {
			o.QueryMean = sn.store.queryCentre
		}
		if sn.store.rescores() {
			return Bits, Int8
		}
		return sn.store.opts.Match, sn.store.opts.Match
	})
}

// fineness orders codecs: a vector can be stored as one that is less fine.
var fineness = map[Codec]int{F32: 4, F16: 3, Int8: 2, Bits: 1, FourBit: 1, TwoBit: 1, None: 0}

// settle chooses a codec that was not chosen, and holds it against what the files have: a codec, and the finest in
// which they have the same.
func (m *merger) settle(what string, codec *Codec, of func(*snapshot) (stored, finest Codec)) error {
	if *codec == 0 {
		*codec, _ = of(m.files[0])
		for _, sn := range m.files[1:] {
			if c, _ := of(sn); fineness[c] < fineness[*codec] {
				*codec = c
			}
		}
	}
	for _, sn := range m.files {
		_, have := of(sn)
		learned := fineness[have] == 1
		if sn.items == 0 || fineness[have] >= fineness[*codec] && !(learned && *codec != None) {
			continue
		}
		hint := "choose one that is no finer, or build the file with a finer one"
		if learned {
			hint = "what such codes mean was learned from this file alone; build it with int8, and choose " + have.String() + " when files are merged"
		}
		return fmt.Errorf("%w: %s: its %s are %v and cannot become %v: %s", ErrInvalid, sn.r.Name(), what, have, *codec, hint)
	}
	return nil
}

func (m *merger) close() {
	for _, sn := range m.files {
		sn.release()
	}
}

func (m *merger) run(ctx context.Context) error {
	m.a.once = true
	s := m.a.store
	for _, sn := range m.files {
		if err := sn.r.CheckSize(); err != nil {
			return err
		}
		for _, d := range []struct {
			what string
			have int
			want *int
		}{{"vectors", sn.store.dim, &s.dim}, {"regions", sn.store.tokenDim, &s.tokenDim}} {
			if *d.want == 0 {
				*d.want = d.have
			}
			if d.have != 0 && d.have != *d.want {
				return fmt.Errorf("%w: %s: its %s have %d values, others have %d", ErrInvalid, sn.r.Name(), d.what, d.have, *d.want)
			}
		}
	}
	if s.dim > 0 {
		s.setDim(s.dim)
	}
	if s.opts.Regions == None {
		s.tokenDim = 0
	}
	if err := m.a.openTokens(ctx); err != nil {
		return err
	}
	return mergeRows(m.cursors, func(c *cursor) error { return m.take(ctx, c) })
}

// take adds a cursor's row to the new file.
func (m *merger) take(ctx context.Context, c *cursor) error {
	if m.done%256 == 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if m.progress != nil {
			m.progress(m.done, m.total)
		}
	}
	m.done++
	if m.done > 1 && string(m.last) == string(c.id) {
		switch m.duplicates {
		case SkipDuplicate:
			m.a.stats.Skipped++
			return nil
		case ReplaceDuplicate:
			m.a.stats.Replaced++
			return nil
		}
		return fmt.Errorf("%s: %q: %w", c.sn.r.Name(), c.id, ErrDuplicate)
	}
	m.last = append(m.last[:0], c.id...)
	if from, to := &c.s.store.opts, &m.a.store.opts; from.Match == to.Match && from.Regions == to.Regions && to.Match != Bits {
		if err := m.a.makeCur(ctx, ""); err != nil {
			return err
		}
		m.a.stats.Added++
		return c.copyTo(m.a.cur)
	}
	it, err := c.sn.untagged(c.seg, c.row)
	if err == nil {
		it.Tags, err = c.tagsOf()
	}
	if err != nil {
		return err
	}
	return m.a.accept(ctx, &arrival{Item: *it, from: &origin{c.s, c.row}})
}
