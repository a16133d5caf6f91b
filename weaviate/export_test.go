package weaviate

import (
	"context"
	"encoding/base64"
)

// Fetch is what a plain client does that fetches what a search does: n candidates with their codes, and the rest of k,
// each decoded.
func (c *Collection) Fetch(ctx context.Context, vector []float32, n, k int) (got int, err error) {
	var ids []string
	fetch := func(r *searchRequest) {
		if err != nil {
			return
		}
		err = c.search(ctx, r, func(found []result) (err error) {
			for i := range found {
				for _, text := range [][]byte{found[i].codes, found[i].rest} {
					if _, err = base64.StdEncoding.AppendDecode(nil, text); err != nil {
						return err
					}
				}
				ids = append(ids, string(found[i].uuid))
			}
			got += len(found)
			return nil
		})
	}
	fetch(&searchRequest{properties: []string{propKey, propKind, propCodes}, limit: n, filter: items, vector: vector})
	ids = ids[:min(k, len(ids))]
	fetch(&searchRequest{properties: []string{propKey, propKind, propTags, propRest}, limit: k, filter: and(items, anyOf(propUUID, ids))})
	return got, err
}
