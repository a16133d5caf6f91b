package picture

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// Budget is how many bytes all decodes of a process may take together.
const Budget = 512 << 20

var budget = semaphore.NewWeighted(Budget)

// Reserve waits until there is memory for decoding the files and for keeping their pictures, until release
// is called. A caller that holds one reservation must not ask for another, since two of them could wait
// for each other for ever. Files that ask for more than there is in all have it to themselves.
func Reserve(ctx context.Context, files ...*File) (release func(), err error) {
	var n int64
	for _, f := range files {
		n += f.Cost()
	}
	n = min(n, Budget)
	if err := budget.Acquire(ctx, n); err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() {
		for _, f := range files {
			if f.running == nil {
				continue
			}
			select {
			case <-f.running:
			default: // left behind by a context that ended: its memory is taken until it is through
				go func() {
					for _, f := range files {
						if f.running != nil {
							<-f.running
						}
					}
					budget.Release(n)
				}()
				return
			}
		}
		budget.Release(n)
	}), nil
}
