package vinvl

import (
	"encoding/json"
	"fmt"
	"math/big"
	"path/filepath"
	"strconv"

	"github.com/aladin-go/aladin/internal/torch"
)

// A CaptionSet is the captions of some pictures, in the order of their file.
type CaptionSet struct {
	IDs  []string
	ByID map[string][]string
}

// Len is the number of captions of all pictures.
func (c *CaptionSet) Len() int {
	n := 0
	for _, id := range c.IDs {
		n += len(c.ByID[id])
	}
	return n
}

// Select keeps the pictures of keys, in that order. Each must be there.
func (c *CaptionSet) Select(keys []string) (*CaptionSet, error) {
	out := &CaptionSet{ByID: make(map[string][]string, len(keys))}
	for _, id := range keys {
		texts, ok := c.ByID[id]
		if !ok {
			return nil, fmt.Errorf("%w: image %s of the key list has no captions: do list and captions belong to the same split?", ErrMissing, clip(id))
		}
		out.IDs = append(out.IDs, id)
		out.ByID[id] = texts
	}
	return out, nil
}

// Split reads DIR/SPLIT_captions.pt and, unless keys is empty, keeps the pictures that the list
// DIR/KEYS names (test_img_keys_1k.tsv), in its order.
func Split(cocoIR, split, keys string) (*CaptionSet, error) {
	c, err := Captions(filepath.Join(cocoIR, split+"_captions.pt"))
	if err != nil || keys == "" {
		return c, err
	}
	if !filepath.IsAbs(keys) {
		keys = filepath.Join(cocoIR, keys)
	}
	list, err := Keys(keys)
	if err != nil {
		return nil, err
	}
	if c, err = c.Select(list); err != nil {
		return nil, fmt.Errorf("%s: %w", keys, err)
	}
	return c, nil
}

// Captions reads {train,minival,val,test}_captions.pt in either form. Nothing in the file is executed.
func Captions(path string) (*CaptionSet, error) {
	f, err := torch.Open(path)
	if err != nil {
		return nil, fmt.Errorf("vinvl: captions: %w", err)
	}
	defer f.Close()
	c, err := captionsOf(f.Value())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// captionsOf converts what a captions file holds: a dict from image id to captions, either a list
// of strings or the JSON of one.
func captionsOf(v any) (*CaptionSet, error) {
	d, ok := v.(*torch.Dict)
	if !ok {
		return nil, fmt.Errorf("%w: it holds a %T where a dict of captions is expected", ErrCaptions, v)
	}
	c := &CaptionSet{ByID: make(map[string][]string, d.Len())}
	for key, value := range d.All() {
		id, err := imageID(key)
		if err != nil {
			return nil, err
		}
		texts, err := stringsOf(value)
		if err != nil {
			return nil, fmt.Errorf("%w: image %s: %w", ErrCaptions, clip(id), err)
		}
		if _, ok := c.ByID[id]; ok {
			return nil, fmt.Errorf("%w: image %s occurs twice", ErrCaptions, clip(id))
		}
		c.IDs = append(c.IDs, id)
		c.ByID[id] = texts
	}
	return c, nil
}

// imageID writes a dict's key as the id that the other files have.
func imageID(key any) (string, error) {
	switch k := key.(type) {
	case string:
		return k, nil
	case int64:
		return strconv.FormatInt(k, 10), nil
	case int:
		return strconv.Itoa(k), nil
	case *big.Int:
		return k.String(), nil
	}
	return "", fmt.Errorf("%w: a key of type %T is no image id", ErrCaptions, key)
}

// stringsOf reads a list of strings, or the JSON of one.
func stringsOf(v any) ([]string, error) {
	var list []any
	switch v := v.(type) {
	case string:
		var texts []string
		if err := json.Unmarshal([]byte(v), &texts); err != nil {
			return nil, fmt.Errorf("captions as JSON: %w", err)
		}
		return texts, nil
	case []any:
		list = v
	case torch.Tuple:
		list = v
	default:
		return nil, fmt.Errorf("captions of type %T", v)
	}
	texts := make([]string, len(list))
	for i, x := range list {
		s, ok := x.(string)
		if !ok {
			return nil, fmt.Errorf("caption %d is a %T", i, x)
		}
		texts[i] = s
	}
	return texts, nil
}
