package serve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/aladin-go/aladin/internal/lru"
	"github.com/aladin-go/aladin/internal/picture"
)

// thumbWidths are the sides (of the longer edge) that thumbnails come in. Few, so
// that nobody can fill the cache with shades of one photo.
var thumbWidths = []int{160, 320, 640, 1280}

const (
	defaultThumb = 320
	thumbQuality = 84
)

// thumbs makes small upright JPEGs of photos and keeps them.
type thumbs struct {
	photos *photos
	limits picture.Options
	wait   time.Duration
	memory *lru.Cache[string, []byte]
	disk   *diskCache // or nil
	group  singleflight.Group
}

func newThumbs(p *photos, o *Options) (*thumbs, error) {
	t := &thumbs{
		photos: p,
		limits: picture.Options{MaxPixels: o.Limits.Pixels},
		wait:   o.Limits.Timeout,
		memory: lru.New[string, []byte](o.ThumbBytes),
	}
	if o.ThumbDir != "" {
		d, err := openDiskCache(o.ThumbDir, o.ThumbDirBytes)
		if err != nil {
			return nil, fmt.Errorf("%w: folder of thumbnails: %w", ErrOptions, err)
		}
		t.disk = d
	}
	return t, nil
}

// key names a thumbnail by everything that it depends on.
func (t *thumbs) key(id string, ph *photo, side int) string {
	sum := sha256.Sum256([]byte(strconv.Itoa(side) + "\x00" + ph.version + "\x00" + id + "\x00" + t.photos.dir))
	return hex.EncodeToString(sum[:16])
}

// get returns the thumbnail of an open photo. The bytes must not be changed.
func (t *thumbs) get(ctx context.Context, key string, ph *photo, side int) ([]byte, error) {
	if b, ok := t.memory.Get(key); ok {
		return b, nil
	}
	// Those who ask for the same thumbnail wait for the first; the work is done for
	// all of them, so it does not end when the first one leaves.
	v, err, _ := t.group.Do(key, func() (any, error) {
		if b, ok := t.disk.get(key); ok {
			t.memory.Put(key, b, entrySize(key, int64(len(b))))
			return b, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.wait)
		defer cancel()
		f, err := picture.Open(ph.seek, &t.limits)
		if err != nil {
			return nil, err
		}
		small, err := f.Thumbnail(ctx, side, thumbQuality)
		if err != nil {
			return nil, err
		}
		b := small.JPEG
		t.memory.Put(key, b, entrySize(key, int64(len(b))))
		t.disk.put(key, b)
		return b, nil
	})
	if err != nil {
		return nil, err
	}
	return v.([]byte), nil
}
