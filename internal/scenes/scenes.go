package scenes

import (
	"context"
	"fmt"
	"image"
	"iter"
	"runtime"
	"sync"

	"github.com/aladin-go/aladin/internal/region"
)

// A Split is one of three worlds of scenes that share none: see Generator.
type Split uint8

const (
	Train Split = iota
	Val
	Test
)

func (s Split) String() string { return name([]string{"train", "val", "test"}, int(s)) }

// Limits of Options.Size, and its default.
const (
	MinSize     = 32
	MaxSize     = 2048
	DefaultSize = 128
)

// Options say which scenes a Generator makes and how large it draws them.
type Options struct {
	Split Split
	// Size is the width and height of the pictures in pixels: 0 is DefaultSize, anything else is
	// brought into MinSize…MaxSize. It changes neither the scenes nor their captions.
	Size int
	// Workers is how many pictures Range and WriteDir draw at a time; ≤ 0 is GOMAXPROCS.
	// It does not change the result.
	Workers int
}

// A Generator makes the scenes of one seed and split. Scene i depends on the seed, the split and i
// alone. Methods are safe for concurrent use.
//
// No scene of a split can turn up in another, whatever the seeds: what a scene shows (the kinds,
// colours, materials and sizes of its objects, the floor and the wall) is hashed, the hash tells
// the one split that may use it, and a draw that falls into another split is made again.
type Generator struct {
	seed    uint64
	options Options
}

// New is a generator of scenes; nil options mean training scenes at the default size.
func New(seed uint64, options *Options) *Generator {
	var o Options
	if options != nil {
		o = *options
	}
	if o.Size == 0 {
		o.Size = DefaultSize
	}
	o.Size = min(max(o.Size, MinSize), MaxSize)
	if o.Split > Test {
		o.Split = Test
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	return &Generator{seed: seed, options: o}
}

// A Scene is a picture of two to five objects with captions that are true of it.
type Scene struct {
	ID      string      // "scene-000123" for scene 123
	Image   *image.RGBA // nil if made by Describe
	Objects []Object    // from far to near: a later one hides an earlier one
	Floor   Floor
	Wall    Wall
	// Captions is CaptionsPerScene captions in no particular order.
	Captions []Caption

	horizon int // where the floor ends, in units; 0 without a wall
	solids  []*solid
	looks   uint64 // key of everything random about the picture that no caption speaks of
}

// CaptionsPerScene is the number of captions of each scene.
const CaptionsPerScene = 5

// An Object is one thing in a scene.
type Object struct {
	Shape    Shape
	Colour   Colour
	Material Material
	Size     Size
	// Box encloses the part of the object that other objects leave visible, to within 1/160.
	Box region.Box
	// Visible is the share of the object's outline that no other object covers.
	Visible float32

	base    int                 // where it touches the floor, in units from the top
	covered [maxObjects]float32 // the share of its outline that each other object covers
}

// Noun is the plainest word for the object ("ball").
func (o *Object) Noun() string { return o.Shape.String() }

// Clear tells whether enough of the object can be seen for captions to speak of it.
func (o *Object) Clear() bool { return o.Visible >= clearShare }

const clearShare = 0.6

// A Caption is a sentence about a scene, with its meaning.
type Caption struct {
	Text     string
	Mentions []Mention
	Form     Form
}

// A Mention is a noun of a caption and the objects it may stand for.
type Mention struct {
	Start, End int // byte offsets of the word in Text, half-open
	// Objects are indexes into the scene's Objects: one for a noun that can mean only one thing;
	// all the things meant by a plural; and for "a red ball" where two red balls fit the caption
	// equally well, both.
	Objects []int
	Plural  bool
}

// Describe is scene i without its picture, for callers that need only what it says: much faster.
func (g *Generator) Describe(i int) *Scene {
	s := g.compose(i)
	s.ID = fmt.Sprintf("scene-%06d", i)
	s.caption(newStream(g.key(i, 2)...))
	return s
}

// Scene is scene i. The caller owns the result.
func (g *Generator) Scene(i int) *Scene {
	s := g.Describe(i)
	s.Image = s.render(g.options.Size)
	return s
}

// key names one of the independent random choices that make scene i.
func (g *Generator) key(i, purpose int) []uint64 {
	return []uint64{g.seed, uint64(g.options.Split), uint64(i), uint64(purpose)}
}

// Range yields the scenes from, …, to-1 in order while drawing several at a time. It ends early
// when ctx does.
func (g *Generator) Range(ctx context.Context, from, to int) iter.Seq[*Scene] {
	return func(yield func(*Scene) bool) {
		n := to - from
		if n <= 0 {
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()

		workers := min(g.options.Workers, n)
		// Each scene travels in a channel of its own; ring bounds how far drawing runs ahead.
		ring := make(chan chan *Scene, 2*workers)
		type job struct {
			i   int
			out chan<- *Scene
		}
		jobs := make(chan job)
		for range workers {
			wg.Go(func() {
				for j := range jobs {
					j.out <- g.Scene(j.i)
				}
			})
		}
		wg.Go(func() {
			defer close(ring)
			defer close(jobs)
			for i := from; i < to; i++ {
				out := make(chan *Scene, 1)
				select {
				case ring <- out:
				case <-ctx.Done():
					return
				}
				select {
				case jobs <- job{i, out}:
				case <-ctx.Done():
					return
				}
			}
		})
		for i := from; i < to; i++ {
			var out chan *Scene
			select {
			case out = <-ring:
			case <-ctx.Done():
				return
			}
			if out == nil {
				return
			}
			select {
			case s := <-out:
				if !yield(s) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}
