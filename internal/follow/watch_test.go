package follow_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aladin-go/aladin/internal/follow"
)

func TestWatch(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	w := newWorld(t, "a.jpg")
	ctx, cancel := context.WithCancel(t.Context())
	sums := make(chan *follow.Summary, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		follow.Watch(ctx, w.file, w.enc, &w.opts, func(s *follow.Summary, err error) {
			require.NoError(t, err)
			sums <- s
		})
	}()
	require.Equal(t, 1, (<-sums).Added)
	w.is("a.jpg")
	put(t, w.dir, "b.jpg", "b")
	put(t, w.dir, "new/c.jpg", "c")
	require.Equal(t, 3, (<-sums).Items)
	put(t, w.dir, "new/d.jpg", "d") // in a folder that was not there at first
	require.Equal(t, 4, (<-sums).Items)
	cancel()
	<-done
	w.is("a.jpg", "b.jpg", "new/c.jpg", "new/d.jpg")
}
