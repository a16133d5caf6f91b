package weaviate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/aladin-go/aladin/index"
)

// Properties of an item's object, and the name of its vector.
const (
	vectorName = "matching"
	propUUID   = "_id"
	propKey    = "key"   // the id
	propKind   = "kind"  // image or caption; codebook is no item
	propTags   = "tags"  // as encodeTag has them
	propCodes  = "codes" // index.Packed.Codes, base64
	propRest   = "rest"  // index.Packed.Rest, base64

	kindCodebook = "codebook"
)

// items passes what is an item.
var items = anyOf(propKind, []string{index.Image.String(), index.Caption.String()})

// ErrNoCollection is returned when there is no collection, or alias, of a name. It is an index.ErrNotIndex.
var ErrNoCollection = fmt.Errorf("%w: there is no such collection", index.ErrNotIndex)

// ErrExists is returned when a collection is to be created that is there already.
var ErrExists = errors.New("the collection is there already")

// layoutVersion is that of the description and of what the properties hold.
const layoutVersion = 1

// description is what a collection's description says of it, as JSON: whatever is not in its objects.
type description struct {
	Aladin   int         `json:"aladin"`
	Model    string      `json:"model"`
	Match    index.Codec `json:"match"`
	Regions  index.Codec `json:"regions"`
	Dim      int         `json:"dim"`
	TokenDim int         `json:"token_dim"`
}

// collectionSchema is a collection in the REST API, as far as it matters here.
type collectionSchema struct {
	Class       string `json:"class"`
	Description string `json:"description"`

	VectorConfig map[string]vectorConfig `json:"vectorConfig,omitempty"`
	Properties   []property              `json:"properties,omitempty"`
	Inverted     map[string]any          `json:"invertedIndexConfig,omitempty"`
	Replication  replication             `json:"replicationConfig"`
	Sharding     map[string]any          `json:"shardingConfig,omitempty"`
}

type vectorConfig struct {
	Vectorizer map[string]any `json:"vectorizer,omitempty"`
	Index      string         `json:"vectorIndexType,omitempty"`
	Config     hnswConfig     `json:"vectorIndexConfig"`
}

type hnswConfig struct {
	Distance       string         `json:"distance"`
	EFConstruction int            `json:"efConstruction,omitempty"`
	MaxConnections int            `json:"maxConnections,omitempty"`
	RQ             map[string]any `json:"rq,omitempty"`
}

type property struct {
	Name         string   `json:"name"`
	DataType     []string `json:"dataType"`
	Tokenization string   `json:"tokenization,omitempty"`
	Filterable   *bool    `json:"indexFilterable,omitempty"`
	Searchable   *bool    `json:"indexSearchable,omitempty"`
}

type replication struct {
	Factor   int    `json:"factor"`
	Async    bool   `json:"asyncEnabled"`
	Deletion string `json:"deletionStrategy,omitempty"`
}

// shards is how many shards the collection has.
func (s *collectionSchema) shards() int {
	n, _ := s.Sharding["actualCount"].(float64)
	return int(n)
}

// newSchema is the schema of a new collection.
func newSchema(class string, l *index.Layout, o *CreateOptions) (*collectionSchema, error) {
	spec := l.Spec()
	about, err := json.Marshal(description{layoutVersion, spec.Model, spec.Match, spec.Regions, spec.Dim, spec.TokenDim})
	if err != nil {
		return nil, err
	}
	yes, no := true, false
	field := func(name, kind string) property {
		return property{Name: name, DataType: []string{kind}, Tokenization: "field", Filterable: &yes, Searchable: &no}
	}
	blob := func(name string) property {
		return property{Name: name, DataType: []string{"blob"}, Filterable: &no, Searchable: &no}
	}
	s := &collectionSchema{
		Class: class, Description: string(about),
		VectorConfig: map[string]vectorConfig{vectorName: {
			Vectorizer: map[string]any{"none": map[string]any{}}, Index: "hnsw",
			// dot: models make the vectors of hubs shorter than 1, and a cosine would undo that.
			Config: hnswConfig{Distance: "dot", EFConstruction: o.EFConstruction, MaxConnections: 32, RQ: map[string]any{"enabled": true, "bits": 8, "rescoreLimit": 20}},
		}},
		Properties: []property{field(propKey, "text"), field(propKind, "text"), field(propTags, "text[]"), blob(propCodes), blob(propRest)},
		Inverted:   map[string]any{"stopwords": map[string]any{"preset": "none"}},
		// Without a rule for deletions, what was deleted while a node was away would come back with it.
		Replication: replication{Factor: o.Replicas, Async: o.Replicas > 1, Deletion: "TimeBasedResolution"},
	}
	if o.Shards > 0 {
		s.Sharding = map[string]any{"desiredCount": o.Shards}
	}
	return s, nil
}

// readSchema reads what a collection is, its codebook left out. An alias in the address gives way to what it stands for.
func (c *client) readSchema(ctx context.Context, a *address) (*collectionSchema, index.LayoutSpec, error) {
	var s collectionSchema
	err := c.rest(ctx, http.MethodGet, "/v1/schema/"+a.class, nil, &s)
	if notFound(err) {
		var alias struct {
			Class string `json:"class"`
		}
		if c.rest(ctx, http.MethodGet, "/v1/aliases/"+a.class, nil, &alias) == nil && classForm.MatchString(alias.Class) {
			a.class = alias.Class
			err = c.rest(ctx, http.MethodGet, "/v1/schema/"+a.class, nil, &s)
		}
	}
	if notFound(err) {
		return nil, index.LayoutSpec{}, fmt.Errorf("%s: %w; aladin-index push makes one", a.name, ErrNoCollection)
	}
	if err != nil {
		return nil, index.LayoutSpec{}, fmt.Errorf("%s: %w", a.name, err)
	}
	var d description
	if err := json.Unmarshal([]byte(s.Description), &d); err != nil || d.Aladin == 0 {
		return nil, index.LayoutSpec{}, fmt.Errorf("%s: %w: its description says that another program made the collection", a.name, index.ErrNotIndex)
	}
	if d.Aladin != layoutVersion {
		return nil, index.LayoutSpec{}, fmt.Errorf("%s: %w: the collection is of version %d, this program reads %d", a.name, index.ErrVersion, d.Aladin, layoutVersion)
	}
	if got := s.VectorConfig[vectorName].Config.Distance; got != "dot" {
		return nil, index.LayoutSpec{}, fmt.Errorf("%s: %w: the distance of its vectors is %q, which ranks otherwise than dot", a.name, index.ErrNotIndex, got)
	}
	return &s, index.LayoutSpec{Model: d.Model, Match: d.Match, Regions: d.Regions, Dim: d.Dim, TokenDim: d.TokenDim}, nil
}

// notFound says that REST knows no such thing.
func notFound(err error) bool {
	var status *errStatus
	return errors.As(err, &status) && status.status == http.StatusNotFound
}

// countNodes counts the nodes of the cluster.
func (c *client) countNodes(ctx context.Context) (int, error) {
	var out struct {
		Nodes []struct {
			Name string `json:"name"`
		} `json:"nodes"`
	}
	err := c.rest(ctx, http.MethodGet, "/v1/nodes", nil, &out)
	return len(out.Nodes), err
}
