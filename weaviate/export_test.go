package weaviate

import (
	"context"

	"github.com/aladin-go/aladin/index"
)

// Fetch is what a plain client does that fetches what a search does: n candidates with their codes, and the rest of k.
func (c *Collection) Fetch(ctx context.Context, vector []float32, n, k int) (int, error) {
	filter, err := translate(&index.SearchOptions{})
	if err != nil {
		return 0, err
	}
	r := &searchRequest{class: c.a.class, properties: []string{propKey, propKind, propCodes}, limit: n, filter: filter, vector: vector}
	found, err := c.search(ctx, r)
	if err != nil {
		return 0, err
	}
	ids := make([]string, min(k, len(found)))
	for i := range ids {
		ids[i] = string(found[i].uuid)
	}
	rest, err := c.search(ctx, &searchRequest{properties: []string{propKey, propKind, propTags, propRest}, limit: k, filter: and(items, anyOf(propUUID, ids))})
	return len(found) + len(rest), err
}
