package vinvl

import (
	"context"
	"errors"
	"iter"
	"runtime"
)

// Images reads pictures in the order of ids, several at a time, with a bounded number in memory. A
// bad row goes to Options.OnBad; what that does not forgive ends the sequence as its last element.
func (d *Dataset) Images(ctx context.Context, ids []string) iter.Seq2[*Image, error] {
	workers := d.o.Workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	return func(yield func(*Image, error) bool) {
		type result struct {
			img *Image
			err error
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		// One slot a picture, handed out in order: the oldest is always waited for first.
		slots := make(chan chan result, workers)
		go func() {
			defer close(slots)
			for _, id := range ids {
				slot := make(chan result, 1)
				select {
				case slots <- slot:
				case <-ctx.Done():
					return
				}
				go func() {
					img, err := d.Image(id)
					slot <- result{img, err}
				}()
			}
		}()
		defer func() { // leaves no reader behind: Close may follow
			cancel()
			for slot := range slots {
				<-slot
			}
		}()
		done := 0
		for slot := range slots {
			r := <-slot
			if ctx.Err() != nil {
				break
			}
			if r.err != nil {
				if row := (*RowError)(nil); errors.As(r.err, &row) {
					r.err = d.badRow(row)
				}
				if r.err != nil {
					yield(nil, r.err)
					return
				}
			}
			if r.img != nil && !yield(r.img, nil) {
				return
			}
			done++
			if d.o.Progress != nil {
				d.o.Progress(done, len(ids))
			}
		}
		if done < len(ids) {
			yield(nil, context.Cause(ctx))
		}
	}
}

// Measure computes the confidences' mean and deviation of both detectors over the pictures that
// both have, reading their detections without their features.
func (d *Dataset) Measure(ctx context.Context, ids []string) (Stats, error) {
	if d.pred == nil || d.det == nil {
		return Stats{}, nil
	}
	var fast, det moment
	var buf []byte
	for i, id := range ids {
		if i%256 == 0 && ctx.Err() != nil {
			return Stats{}, context.Cause(ctx)
		}
		p, inPred := d.pred.line[id]
		q, inDet := d.det.line[id]
		if !inPred || !inDet {
			continue // reported when the picture is read
		}
		for _, f := range []struct {
			rows *rows
			line int
			m    *moment
		}{{d.pred, p, &fast}, {d.det, q, &det}} {
			head, err := f.rows.Head(f.line, 2, buf)
			if err != nil {
				return Stats{}, err
			}
			buf = head[:0]
			if _, o, err := parsePrediction(head); err == nil { // else reported when the picture is read
				f.m.add(o.Objects)
			}
		}
	}
	return Stats{FastMean: fast.mean, FastStd: fast.std(), DetMean: det.mean, DetStd: det.std()}, nil
}
