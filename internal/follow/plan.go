package follow

import (
	"context"
	"path"
	"slices"
	"strings"
)

// plan is what has to be done.
type plan struct {
	touch  []*known // the same photo, of which other things are to be remembered
	moves  []*known // to .to
	remove []*known
	change []*file
	add    []*file
}

// makePlan compares what is there with what was. Files are read where sizes and times leave it open whether
// their content is known.
func (r *run) makePlan(ctx context.Context) error {
	var open []*file // those of a content that is not their item's
	for _, x := range r.roots {
		for _, f := range x.files {
			if err := ctx.Err(); err != nil {
				return err
			}
			if r.compare(f) {
				open = append(open, f)
			}
		}
	}
	var freed []*known
	for _, k := range r.items {
		if k.file == nil && !k.unread() {
			k.freed = true
		}
		if k.freed {
			freed = append(freed, k)
		}
	}
	slices.SortFunc(freed, func(a, b *known) int { return strings.Compare(a.id, b.id) })
	r.match(freed, open)
	p := &r.plan
	for _, f := range open {
		k := r.items[f.id]
		switch {
		case f.from != nil:
		case f.err != nil:
			if k != nil {
				k.freed = false // it stays as it was until the file can be read
			}
		case k != nil && k.to == nil:
			k.freed = false
			p.change = append(p.change, f)
		default:
			p.add = append(p.add, f)
		}
	}
	for _, k := range freed {
		switch {
		case k.to != nil:
			p.moves = append(p.moves, k)
		case k.freed:
			p.remove = append(p.remove, k)
		}
	}
	return nil
}

// compare holds a file against the item at its place, and says whether there is none or one of other content.
func (r *run) compare(f *file) bool {
	k := r.items[f.id]
	switch {
	case k == nil:
		return true
	case !k.known: // of an index that followed nothing: the file is taken for the one that was encoded
		if r.read(f) {
			r.plan.touch = append(r.plan.touch, k)
		}
	case k.size != f.size:
		k.freed = true
	case k.mtime != f.mtime:
		switch {
		case !r.read(f):
		case f.stamp.hash == k.hash:
			r.plan.touch = append(r.plan.touch, k)
		default:
			k.freed = true
		}
	case f.root.XMP && !k.described:
		f.stamp = &k.stamp
		r.plan.touch = append(r.plan.touch, k)
	}
	if !k.freed {
		r.sum.Unchanged++
	}
	return k.freed
}

// read makes a file's stamp, unless it has one.
func (r *run) read(f *file) bool {
	if f.stamp == nil && f.err == nil {
		s, err := stampOf(f.path)
		if err != nil {
			f.err = err
			r.unreadable(f.id, err)
			return false
		}
		f.stamp = &s
	}
	return f.err == nil
}

// match finds out which contents are now at another place. Moving keeps a file's time: a content that is no
// longer at its place while something new is there may as well have been copied before that was edited, so its
// time decides.
func (r *run) match(freed []*known, open []*file) {
	bySize := map[int64]bool{}
	byHash := map[uint64][]*known{}
	for _, k := range freed {
		if k.known {
			bySize[k.size] = true
			byHash[k.hash] = append(byHash[k.hash], k)
		}
	}
	if len(byHash) == 0 {
		return
	}
	same := map[uint64][]*file{}
	var hashes []uint64 // in the order of the files
	for i, f := range open {
		if !bySize[f.size] {
			continue
		}
		r.Progress("looking for moved photos", i, len(open))
		if !r.read(f) || byHash[f.stamp.hash] == nil {
			continue
		}
		if same[f.stamp.hash] == nil {
			hashes = append(hashes, f.stamp.hash)
		}
		same[f.stamp.hash] = append(same[f.stamp.hash], f)
	}
	type trait struct {
		name  string
		mtime int64
	}
	for _, h := range hashes {
		// Of several files of one content those belong together that have most in common.
		for _, by := range []func(id string, mtime int64) trait{
			func(id string, mtime int64) trait { return trait{path.Base(id), mtime} },
			func(id string, _ int64) trait { return trait{name: path.Base(id)} },
			func(_ string, mtime int64) trait { return trait{mtime: mtime} },
			func(string, int64) trait { return trait{} },
		} {
			from := map[trait][]*known{}
			for _, k := range byHash[h] {
				if k.to == nil {
					t := by(k.id, k.mtime)
					from[t] = append(from[t], k)
				}
			}
			for _, f := range same[h] {
				t := by(f.id, f.mtime)
				i := slices.IndexFunc(from[t], func(k *known) bool {
					return k.size == f.size && (k.file == nil || k.mtime == f.mtime || k.mtime == 0)
				})
				if f.from == nil && i >= 0 {
					k := from[t][i]
					f.from, k.to = k, f
					from[t] = slices.Delete(from[t], i, i+1)
				}
			}
		}
	}
}
