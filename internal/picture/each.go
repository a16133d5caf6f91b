package picture

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"
)

// A Load is how many pictures a consumer likes at a time.
type Load struct {
	Group   int // pictures in one call, which a GPU works on together; at least 1
	Workers int // calls side by side; at least 1
	Detail  int // see Options
}

// Each opens and decodes pictures and hands them to use, several side by side and together no larger than
// Budget: at are their places in open. Pictures may be used only until use returns. It returns what is
// wrong with each picture that use was not given, and an error that ends everything: that of use, or of ctx.
// Each sets o's Detail.
func Each(ctx context.Context, open []func(*Options) (*File, error), o *Options, load Load, use func(ctx context.Context, pics []*Picture, at []int) error) ([]error, error) {
	e := &each{open: open, failed: make([]error, len(open)), use: use}
	if o != nil {
		e.opts = *o
	}
	e.opts.Detail = load.Detail
	all := make([]int, len(open))
	for i := range all {
		all[i] = i
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(load.Workers, 1))
	for at := range slices.Chunk(all, max(load.Group, 1)) {
		g.Go(func() error {
			if err := gctx.Err(); err != nil {
				return err
			}
			return e.group(gctx, at)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return e.failed, ctx.Err()
}

type each struct {
	open   []func(*Options) (*File, error)
	opts   Options
	failed []error
	use    func(ctx context.Context, pics []*Picture, at []int) error
}

// group opens pictures that are used together.
func (e *each) group(ctx context.Context, at []int) error {
	var files []*File
	var places []int
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	for _, i := range at {
		f, err := e.open[i](&e.opts)
		if err != nil {
			e.failed[i] = err
			continue
		}
		files, places = append(files, f), append(places, i)
	}
	for len(files) > 0 {
		n := fitting(files)
		if err := e.decode(ctx, files[:n], places[:n]); err != nil {
			return err
		}
		for _, f := range files[:n] {
			f.Close()
		}
		files, places = files[n:], places[n:]
	}
	return nil
}

// fitting is how many of the files, at least one, take a quarter of the budget at most, so that a group
// leaves room for others.
func fitting(files []*File) int {
	var sum int64
	for i, f := range files {
		if sum += f.Cost(); i > 0 && sum > Budget/4 {
			return i
		}
	}
	return len(files)
}

// decode decodes a few files and uses them. The one reservation covers both.
func (e *each) decode(ctx context.Context, files []*File, at []int) error {
	release, err := Reserve(ctx, files...)
	if err != nil {
		return err
	}
	defer release()
	decoded := make([]*Picture, len(files))
	g, gctx := errgroup.WithContext(ctx)
	for k, f := range files {
		g.Go(func() error {
			decoded[k], e.failed[at[k]] = f.Decode(gctx)
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	var pics []*Picture
	var of []int
	for k, p := range decoded {
		if p != nil {
			pics, of = append(pics, p), append(of, at[k])
		}
	}
	if len(pics) == 0 {
		return nil
	}
	return e.use(ctx, pics, of)
}
