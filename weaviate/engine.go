package weaviate

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"

	"github.com/aladin-go/aladin/index"
)

// engine is a collection as package index wants it.
type engine struct{ *Collection }

const (
	// slack is how many more items than wanted are recalled, so that of those with the same score the right ones are taken.
	slack = 16
	// atOnce is how many items are fetched in a call. Of a recall each shard sends as many as are wanted in all, so what
	// is more in sum is fetched once it is known which they are.
	atOnce = 1000
)

// Recall implements index.Engine.
func (e engine) Recall(ctx context.Context, vector []float32, n int, o *index.SearchOptions) ([]index.Packed, error) {
	filter, err := translate(o)
	if err != nil || filter == none {
		return nil, err
	}
	r := &searchRequest{properties: []string{propKey, propKind, propCodes}, limit: n + slack, filter: filter, vector: vector}
	if r.limit*max(1, e.shards.want) <= atOnce {
		return e.items(ctx, r)
	}
	r.properties = []string{propKey, propKind}
	found, err := e.items(ctx, r)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(found))
	for i := range found {
		ids[i] = found[i].ID
	}
	return e.fetch(ctx, ids, propCodes)
}

// Rest implements index.Engine.
func (e engine) Rest(ctx context.Context, ids []string) ([]index.Packed, error) {
	return e.fetch(ctx, ids, propTags, propRest)
}

// fetch reads some properties of items, those that are there, in any order.
func (e engine) fetch(ctx context.Context, ids []string, properties ...string) (out []index.Packed, err error) {
	for len(ids) > 0 {
		n := min(len(ids), atOnce)
		part, err := e.there(ctx, ids[:n], properties)
		if err != nil {
			return nil, err
		}
		if len(part) < n { // a replica may not have them yet, after its node was away
			missing := map[string]bool{}
			for _, id := range ids[:n] {
				missing[id] = true
			}
			for i := range part {
				delete(missing, part[i].ID)
			}
			more, err := e.there(ctx, slices.Collect(maps.Keys(missing)), properties)
			if err != nil {
				return nil, err
			}
			part = append(part, more...)
		}
		out, ids = append(out, part...), ids[n:]
	}
	return out, nil
}

// there reads some properties of those items that the next node has.
func (e engine) there(ctx context.Context, ids, properties []string) ([]index.Packed, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	return e.items(ctx, &searchRequest{
		properties: append([]string{propKey, propKind}, properties...), limit: len(ids), filter: and(items, anyOf(propUUID, uuids(ids))),
	})
}

// items sends a request and unpacks what comes.
func (e engine) items(ctx context.Context, r *searchRequest) (out []index.Packed, err error) {
	err = e.search(ctx, r, func(found []result) (err error) {
		out, err = unpack(found)
		return err
	})
	return out, err
}

// unpack makes items of results.
func unpack(found []result) (out []index.Packed, err error) {
	out = make([]index.Packed, len(found))
	total := 0
	for i := range found {
		total += base64.StdEncoding.DecodedLen(len(found[i].codes)) + base64.StdEncoding.DecodedLen(len(found[i].rest))
	}
	memory := make([]byte, 0, total) // one for all
	for i := range found {
		if out[i], err = found[i].packed(&memory); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// packed is a result as an item, with those parts that were asked for. What is decoded is appended to memory.
func (r *result) packed(memory *[]byte) (p index.Packed, err error) {
	p.ID = string(r.key)
	switch kind := string(r.kind); kind {
	case index.Image.String():
	case index.Caption.String():
		p.Kind = index.Caption
	default:
		return p, fmt.Errorf("object %.40q is an item of kind %.20q: %w", r.uuid, kind, index.ErrCorrupt)
	}
	if itemUUID(p.ID) != string(r.uuid) {
		return p, fmt.Errorf("object %.40q is not that of item %.100q: %w", r.uuid, p.ID, index.ErrCorrupt)
	}
	for _, t := range r.tags {
		p.Tags = append(p.Tags, decodeTag(t))
	}
	for _, part := range []struct {
		text []byte
		to   *[]byte
	}{{r.codes, &p.Codes}, {r.rest, &p.Rest}} {
		from := len(*memory)
		if *memory, err = base64.StdEncoding.AppendDecode(*memory, part.text); err != nil {
			return p, fmt.Errorf("item %.100q: %v: %w", p.ID, err, index.ErrCorrupt)
		}
		*part.to = (*memory)[from:len(*memory):len(*memory)]
	}
	return p, nil
}
