package serve

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/aladin-go/aladin/internal/vision"
	"github.com/aladin-go/aladin/internal/vision/pixel"
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
	limits vision.Limits
	wait   time.Duration
	memory *lru[[]byte]
	disk   *diskCache // or nil
	group  singleflight.Group
	slots  chan struct{} // pictures that are in memory at a time
}

func newThumbs(p *photos, o *Options) (*thumbs, error) {
	t := &thumbs{
		photos: p,
		limits: vision.Limits{MaxPixels: o.Limits.Pixels},
		wait:   o.Limits.Timeout,
		memory: newLRU[[]byte](o.ThumbBytes),
		slots:  make(chan struct{}, max(1, runtime.GOMAXPROCS(0))),
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
	if b, ok := t.memory.get(key); ok {
		return b, nil
	}
	// Those who ask for the same thumbnail wait for the first; the work is done for
	// all of them, so it does not end when the first one leaves.
	v, err, _ := t.group.Do(key, func() (any, error) {
		if b, ok := t.disk.get(key); ok {
			t.memory.put(key, b, int64(len(b)))
			return b, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.wait)
		defer cancel()
		select {
		case t.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		defer func() { <-t.slots }()
		img, err := vision.Decode(ph.seek, &t.limits)
		if err != nil {
			return nil, err
		}
		b, err := shrink(img, side)
		if err != nil {
			return nil, err
		}
		t.memory.put(key, b, int64(len(b)))
		t.disk.put(key, b)
		return b, nil
	})
	if err != nil {
		return nil, err
	}
	return v.([]byte), nil
}

// shrink writes a picture as a JPEG whose longer side is at most side.
func shrink(img image.Image, side int) ([]byte, error) {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	if scale := float64(side) / float64(max(w, h)); scale < 1 {
		w = max(1, int(math.Round(float64(w)*scale)))
		h = max(1, int(math.Round(float64(h)*scale)))
		src := pixel.NewSource(img)
		planes := make([]float32, 3*w*h)
		src.Sample(planes, w, h, src.Bounds(), false, pixel.Bicubic)
		out := image.NewRGBA(image.Rect(0, 0, w, h))
		for i := range w * h {
			for c := range 3 {
				out.Pix[4*i+c] = uint8(min(max(planes[c*w*h+i]+0.5, 0), 255))
			}
			out.Pix[4*i+3] = 255
		}
		img = out
	}
	var buf bytes.Buffer
	err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: thumbQuality})
	return buf.Bytes(), err
}
