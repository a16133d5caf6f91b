package indexcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/follow"
)

// A draft is an index of what is encoded so far, in FILE.part. Of a complete one Merge makes the file that a build
// makes which nobody interrupts.
type draft struct {
	path  string
	w     *index.Writer
	there map[string][]byte // states of its items
}

// A draft is committed after so many items or so long, which is then what a kill costs.
var draftItems = 1000 // tests have fewer

const draftTime = 2 * time.Minute

// makeResumable is make, by way of a draft.
func (j *job) makeResumable(ctx context.Context, opts *index.BuildOptions, share *part) (stats index.Stats, err error) {
	d, err := openDraft(ctx, j.out+".part", opts, share)
	if err != nil {
		return stats, err
	}
	defer func() { err = errors.Join(err, d.w.Close()) }()
	total := len(j.entries)
	j.entries = d.missing(j.entries)
	if n := total - len(j.entries); n > 0 {
		fmt.Fprintf(j.env.Stderr, "%d of %d are encoded already\n", n, total)
	}
	if err := j.encode(ctx, d.add(&stats)); err != nil {
		if errors.Is(err, context.Canceled) {
			err = errors.Join(err, d.w.Commit(context.WithoutCancel(ctx)))
			fmt.Fprintf(j.env.Stderr, "what is encoded is in %s: run the command again\n", d.path)
		}
		return stats, err
	}
	if err := cmp.Or(d.w.Commit(ctx), d.w.Close()); err != nil {
		return stats, err
	}
	if j.partFlag != "" {
		share.Skipped = len(j.skipped)
		opts.State = share.state()
	}
	merged, err := index.Merge(ctx, j.out, []string{d.path}, &index.MergeOptions{BuildOptions: *opts})
	if err != nil {
		return stats, err
	}
	stats.Added = merged.Added
	if j.partFlag == "" && stats.Added == 0 {
		return stats, j.nothing()
	}
	return stats, d.remove()
}

// openDraft opens the draft of the same job, or begins one.
func openDraft(ctx context.Context, path string, opts *index.BuildOptions, share *part) (*draft, error) {
	o := index.BuildOptions{Model: opts.Model, Match: opts.Match, Regions: opts.Regions, NoLock: opts.NoLock, State: share.state()}
	if o.Match == index.Bits {
		o.Match = index.Int8
	}
	if o.Regions == index.FourBit || o.Regions == index.TwoBit {
		o.Regions = index.Int8
	}
	o.Duplicates = index.ReplaceDuplicate
	d := &draft{path: path, there: map[string][]byte{}}
	if made, err := share.made(ctx, path, &o); err != nil {
		return nil, err
	} else if !made {
		b, err := index.NewBuilder(path, &o)
		if err != nil {
			return nil, err
		}
		if err := cmp.Or(b.Finish(ctx), b.Close()); err != nil {
			return nil, err
		}
	}
	ix, err := index.Open(path, nil)
	if err != nil {
		return nil, err
	}
	d.there, err = known(ctx, ix)
	if err := errors.Join(err, ix.Close()); err != nil {
		return nil, err
	}
	d.w, err = index.OpenWriter(path, &o)
	return d, err
}

// missing are the entries that the draft does not have, or of whose files it has another state.
func (d *draft) missing(all []entry) []entry {
	var out []entry
	for _, e := range all {
		state, ok := d.there[e.id]
		if !ok || e.file != "" && follow.Differs(state, e.file) {
			out = append(out, e)
		}
	}
	return out
}

// add adds an item to the draft, and commits now and then. Of items with one id the first counts, as in a build.
func (d *draft) add(stats *index.Stats) func(context.Context, index.Item) error {
	items, last, now := 0, time.Now(), map[string]bool{}
	return func(ctx context.Context, it index.Item) error {
		if now[it.ID] {
			stats.Skipped++
			return nil
		}
		now[it.ID] = true
		whole := context.WithoutCancel(ctx)
		if err := d.w.Add(whole, it); err != nil {
			return err
		}
		if items++; items < draftItems && time.Since(last) < draftTime {
			return nil
		}
		items, last = 0, time.Now()
		return d.w.Commit(whole)
	}
}

func (d *draft) remove() error {
	err := os.Remove(d.path)
	_ = os.Remove(d.path + ".lock")
	return err
}
