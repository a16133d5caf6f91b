package weaviate

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aladin-go/aladin/index"
)

// Options say how to reach a cluster. Nil and zero values are the defaults.
type Options struct {
	// Model, when set, is the only model whose collection is opened; another gives index.ErrModelMismatch.
	Model string

	// APIKey is sent with every call; "" is what the environment variable WEAVIATE_API_KEY holds. Without TLS
	// it travels in the clear.
	APIKey string

	// TLS says how nodes prove who they are, where the address begins with weaviates; nil trusts the system's authorities.
	TLS *tls.Config

	// Timeout bounds what one node may take for one call before another is asked; 0 is 10 s.
	Timeout time.Duration
}

const keyVariable = "WEAVIATE_API_KEY"

func (o *Options) withDefaults() Options {
	var c Options
	if o != nil {
		c = *o
	}
	if c.APIKey == "" {
		c.APIKey = os.Getenv(keyVariable)
	}
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	return c
}

// CreateOptions say how a new collection lies in the cluster. Nil and zero values are the defaults.
type CreateOptions struct {
	// Replicas is how many nodes keep each item; 0 is 3, or as many as there are nodes.
	Replicas int
	// Shards is into how many parts the items are cut, which is for good; 0 is one for each node.
	Shards int
	// EFConstruction is how well the graph is made; 0 is 128. More takes longer and recalls more.
	EFConstruction int
}

// A Collection is a collection of items in a cluster. It is safe for concurrent use.
type Collection struct {
	a      *address
	c      *client
	layout *index.Layout
	counts atomic.Pointer[counts]
	shards *watch
	closed atomic.Bool
}

// counts are what was seen of the collection, and when.
type counts struct {
	images, captions int
	at               time.Time
}

var _ index.Searcher = (*Collection)(nil)

// Open opens a collection that Create made.
func Open(ctx context.Context, address string, opts *Options) (*Collection, error) {
	a, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	o := opts.withDefaults()
	c := &Collection{a: a, c: newClient(a, &o), shards: newWatch()}
	if err := c.open(ctx, &o); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Collection) open(ctx context.Context, o *Options) error {
	s, spec, err := c.c.readSchema(ctx, c.a)
	if err != nil {
		return err
	}
	c.shards.want = s.shards()
	if o.Model != "" && o.Model != spec.Model {
		return fmt.Errorf("%s: %w: asked for model %q, the collection holds model %q", c.a.name, index.ErrModelMismatch, o.Model, spec.Model)
	}
	if spec.Regions == index.FourBit || spec.Regions == index.TwoBit {
		if spec.Codebook, err = c.codebook(ctx); err != nil {
			return fmt.Errorf("%s: %w", c.a.name, err)
		}
	}
	if c.layout, err = index.NewLayout(spec); err != nil {
		return fmt.Errorf("%s: %w", c.a.name, err)
	}
	_, err = c.Refresh(ctx)
	return err
}

// codebook reads what the tokens' codec learned. A replica that has just come, or come back, may not have it yet.
func (c *Collection) codebook(ctx context.Context) (book []byte, err error) {
	err = c.again(ctx, func() error {
		r := &searchRequest{properties: []string{propCodes}, limit: 1, filter: equal(propUUID, uuid(sharedSpace, kindCodebook))}
		err := c.search(ctx, r, func(found []result) (err error) {
			for _, o := range found {
				book, err = base64.StdEncoding.AppendDecode(nil, o.codes)
			}
			return err
		})
		if err == nil && len(book) == 0 {
			err = &nodeError{node: c.a.class, err: fmt.Errorf("%w: its codebook is lost; delete the collection and push it again", index.ErrCorrupt)}
		}
		return err
	})
	return book, err
}

// Create makes a collection for items of a layout. ErrExists says that there is one of that name.
func Create(ctx context.Context, address string, l *index.Layout, opts *Options, create *CreateOptions) (_ *Collection, err error) {
	a, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	o := opts.withDefaults()
	c := &Collection{a: a, c: newClient(a, &o), shards: newWatch(), layout: l}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	var how CreateOptions
	if create != nil {
		how = *create
	}
	how.EFConstruction = cmp.Or(how.EFConstruction, 128)
	if how.Replicas == 0 {
		nodes, err := c.c.countNodes(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.name, err)
		}
		how.Replicas = max(1, min(nodes, 3))
	}
	if _, _, err := c.c.readSchema(ctx, a); !errors.Is(err, ErrNoCollection) {
		if err == nil {
			err = fmt.Errorf("%s: %w", a.name, ErrExists)
		}
		return nil, err
	}
	s, err := newSchema(a.class, l, &how)
	if err != nil {
		return nil, err
	}
	if err := c.c.rest(ctx, http.MethodPost, "/v1/schema", s, nil); err != nil {
		return nil, fmt.Errorf("%s: %w", a.name, err)
	}
	if book := l.Spec().Codebook; book != nil {
		o := object{uuid: uuid(sharedSpace, kindCodebook), texts: map[string]string{propKind: kindCodebook, propCodes: base64.StdEncoding.EncodeToString(book)}}
		w := c.Writer()
		w.put(&entry{id: kindCodebook, message: o.encode(a.class)})
		if err := w.Commit(ctx); err != nil {
			return nil, err
		}
	}
	if made, _, err := c.c.readSchema(ctx, a); err == nil { // on some node it may not be known yet
		c.shards.want = made.shards()
	}
	if _, err := c.Refresh(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// Drop deletes a collection and all that is in it. One that another program made is refused.
func Drop(ctx context.Context, address string, opts *Options) error {
	a, err := parseAddress(address)
	if err != nil {
		return err
	}
	o := opts.withDefaults()
	c := newClient(a, &o)
	defer c.close()
	s, _, err := c.readSchema(ctx, a)
	if err != nil {
		return err
	}
	return c.rest(ctx, http.MethodDelete, "/v1/schema/"+s.Class, nil, nil)
}

// Close ends the connections. Calls under way may fail.
func (c *Collection) Close() error {
	if !c.closed.Swap(true) {
		c.shards.close()
		c.c.close()
	}
	return nil
}

// Len is the number of items when they were counted last: by Open, Info or Refresh.
func (c *Collection) Len() int {
	n := c.counts.Load()
	return n.images + n.captions
}

// Model is the fingerprint of the model whose encodings the collection holds.
func (c *Collection) Model() string { return c.layout.Spec().Model }

// Layout is how the collection's items are packed.
func (c *Collection) Layout() *index.Layout { return c.layout }

// Search finds the items that fit a query best, as [index.Index.Search] does.
func (c *Collection) Search(ctx context.Context, q *index.Encoding, o *index.SearchOptions) ([]index.Hit, error) {
	hits, err := c.layout.Search(ctx, engine{c}, q, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.a.name, err)
	}
	return hits, nil
}

// Item returns all that is stored of an item.
func (c *Collection) Item(ctx context.Context, id string) (*index.Item, error) {
	p, err := c.packed(ctx, id, propCodes, propRest)
	if err != nil {
		return nil, err
	}
	return c.layout.Unpack(p)
}

// Fields returns what is stored of an item besides its encoding.
func (c *Collection) Fields(ctx context.Context, id string) (*index.Fields, error) {
	p, err := c.packed(ctx, id, propRest)
	if err != nil {
		return nil, err
	}
	return c.layout.Fields(p)
}

// packed reads an item with some of its parts.
func (c *Collection) packed(ctx context.Context, id string, parts ...string) (*index.Packed, error) {
	ps, err := engine{c}.fetch(ctx, []string{id}, append(parts, propTags)...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.a.name, err)
	}
	if len(ps) == 0 {
		return nil, fmt.Errorf("%q in %s: %w", id, c.a.name, index.ErrNotFound)
	}
	return &ps[0], nil
}

// pageSize is how many ids are read at a time.
const pageSize = 1000

// IDs yields the ids of all items, in no order that means something. Items that are written meanwhile may be among them or not.
func (c *Collection) IDs(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for p, err := range c.all(ctx) {
			if !yield(p.ID, err) {
				return
			}
		}
	}
}

// Stored is an item without its encoding.
type Stored struct {
	ID string
	index.Fields
}

// Each yields all items with their fields, as IDs yields their ids: for less than asking for the fields of each.
func (c *Collection) Each(ctx context.Context) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		for p, err := range c.all(ctx, propTags, propRest) {
			it := Stored{ID: p.ID}
			if err == nil {
				var f *index.Fields
				if f, err = c.layout.Fields(&p); err == nil {
					it.Fields = *f
				}
			}
			if !yield(it, err) || err != nil {
				return
			}
		}
	}
}

// all yields all items with some of their parts, and ends after an error.
func (c *Collection) all(ctx context.Context, parts ...string) iter.Seq2[index.Packed, error] {
	return func(yield func(index.Packed, error) bool) {
		after := nilUUID
		for read := pageSize; read == pageSize; {
			r := &searchRequest{properties: append([]string{propKey, propKind}, parts...), limit: pageSize, after: after}
			var page []index.Packed
			err := c.search(ctx, r, func(found []result) (err error) {
				if read = len(found); read > 0 {
					if last := string(found[read-1].uuid); last > r.after {
						after = last
					} else {
						return fmt.Errorf("%w: pages are not in the order of UUIDs", errMessage)
					}
				}
				found = slices.DeleteFunc(found, func(o result) bool { return string(o.kind) == kindCodebook })
				page, err = unpack(found)
				return err
			})
			if err != nil {
				yield(index.Packed{}, fmt.Errorf("%s: %w", c.a.name, err))
				return
			}
			for _, p := range page {
				if !yield(p, nil) {
					return
				}
			}
		}
	}
}

// Have returns those of some ids of which there is an item, in any order.
func (c *Collection) Have(ctx context.Context, ids []string) ([]string, error) {
	found, err := engine{c}.fetch(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.a.name, err)
	}
	out := make([]string, len(found))
	for i := range found {
		out[i] = found[i].ID
	}
	return out, nil
}

// maxTagNames bounds how many tags are told apart.
const maxTagNames = 10_000

// Tags lists all tags, those of most items first. The engine looks at all items for it.
func (c *Collection) Tags(ctx context.Context) ([]index.TagCount, error) {
	_, tags, err := c.count(ctx, items, propTags)
	if err != nil {
		return nil, err
	}
	if len(tags) >= maxTagNames {
		return nil, fmt.Errorf("%s: %w: %d tags or more, which the engine does not list", c.a.name, index.ErrInvalid, maxTagNames)
	}
	for i := range tags {
		tags[i].Tag = decodeTag(tags[i].Tag)
	}
	tags = slices.DeleteFunc(tags, func(t index.TagCount) bool { return t.Items == 0 })
	slices.SortFunc(tags, func(a, b index.TagCount) int {
		return cmp.Or(cmp.Compare(b.Items, a.Items), cmp.Compare(a.Tag, b.Tag))
	})
	return tags, nil
}

// Info describes the collection. What an engine does not tell, such as bytes, is 0.
func (c *Collection) Info(ctx context.Context) (*index.Info, error) {
	if _, err := c.Refresh(ctx); err != nil {
		return nil, err
	}
	n, spec := c.counts.Load(), c.layout.Spec()
	return &index.Info{
		Items: n.images + n.captions, Images: n.images, Captions: n.captions, Dim: spec.Dim, TokenDim: spec.TokenDim,
		MatchCodec: spec.Match.String(), RegionCodec: spec.Regions.String(), Model: spec.Model,
	}, nil
}

// stale is how old counts may be when nothing else changed: tags and texts change without them.
const stale = time.Minute

// Refresh counts the items, and reports whether what was read before may have changed: there are more or fewer of
// them, or a minute has passed.
func (c *Collection) Refresh(ctx context.Context) (bool, error) {
	images, _, err := c.count(ctx, equal(propKind, index.Image.String()), "")
	if err != nil {
		return false, err
	}
	captions, _, err := c.count(ctx, equal(propKind, index.Caption.String()), "")
	if err != nil {
		return false, err
	}
	old, now := c.counts.Load(), &counts{images, captions, time.Now()}
	if old != nil && old.images == images && old.captions == captions && now.at.Sub(old.at) < stale {
		return false, nil
	}
	c.counts.Store(now)
	return old != nil, nil
}

func (c *Collection) count(ctx context.Context, filter *condition, by string) (total int, groups []index.TagCount, err error) {
	err = c.ask(ctx, "Aggregate", countRequest(c.a.class, filter, by, maxTagNames), func(reply []byte) (err error) {
		total, groups, err = decodeCounts(reply)
		return err
	})
	if err == nil {
		err = c.whole(ctx)
	}
	if err != nil {
		err = fmt.Errorf("%s: counting items: %w", c.a.name, err)
	}
	return total, groups, err
}

// search sends a request for objects and has those that come read: views of a reply, which is gone afterwards. It may
// be read more than once, if another node is asked.
func (c *Collection) search(ctx context.Context, r *searchRequest, read func([]result) error) error {
	r.class = c.a.class
	err := c.ask(ctx, "Search", r.encode(), func(reply []byte) error {
		found, err := decodeResults(reply, r.limit)
		if err == nil {
			err = read(found)
		}
		return err
	})
	if err == nil {
		err = c.whole(ctx)
	}
	return err
}

// ask makes a call on some node and has the reply read.
func (c *Collection) ask(ctx context.Context, method string, message []byte, read func([]byte) error) error {
	if c.closed.Load() {
		return index.ErrClosed
	}
	return c.c.try(ctx, func(ctx context.Context, n *node) error { return c.c.call(ctx, n, method, message, read) })
}
