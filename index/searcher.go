package index

import (
	"context"
	"iter"
)

// A Searcher is a collection that can be searched. An [Index] is one, kept in a file; an engine can stand behind it as
// well, with a [Layout]'s help. All methods are safe for concurrent use.
type Searcher interface {
	// Search finds the items that fit a query best. From a file, what it returns comes from one state of the collection.
	Search(ctx context.Context, q *Encoding, o *SearchOptions) ([]Hit, error)

	// Item returns all that is stored of an item. Its encoding can be a query: more like this.
	Item(ctx context.Context, id string) (*Item, error)

	// Fields returns what is stored of an item besides its encoding.
	Fields(ctx context.Context, id string) (*Fields, error)

	// IDs yields the ids of all items.
	IDs(ctx context.Context) iter.Seq2[string, error]

	// Tags lists all tags, those of most items first.
	Tags(ctx context.Context) ([]TagCount, error)

	// Info describes the collection.
	Info(ctx context.Context) (*Info, error)

	// Len is the number of items and Model the fingerprint of the model that encoded them. They are those
	// of the state last seen, also after Close.
	Len() int
	Model() string

	Close() error
}

// Fields are what is stored with an item besides its encoding.
type Fields struct {
	Kind  Kind
	Text  string
	Meta  []byte // JSON or nil
	Tags  []string
	State []byte // see Item
}

var _ Searcher = (*Index)(nil)
