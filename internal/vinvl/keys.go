package vinvl

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// Keys reads a list of image ids, one a line (test_img_keys.tsv, test_img_keys_1k.tsv), in its order.
// Empty lines and further columns are ignored; an id that stands twice is an error.
func Keys(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("vinvl: image keys: %w", err)
	}
	defer f.Close()
	keys, err := readKeys(f)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	return keys, nil
}

func readKeys(r io.Reader) ([]string, error) {
	var keys []string
	seen := map[string]int{}
	sc := bufio.NewScanner(r)
	n := 0
	for sc.Scan() {
		n++
		key, _, _ := strings.Cut(sc.Text(), "\t")
		if key = strings.TrimSpace(key); key == "" {
			continue
		}
		if first, ok := seen[key]; ok {
			return nil, fmt.Errorf("%d: %w: image %s is in line %d already", n, ErrKeys, clip(key), first)
		}
		seen[key] = n
		keys = append(keys, key)
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("%d: %w: %w", n+1, ErrKeys, err)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%d: %w: there is no image id in it", n, ErrKeys)
	}
	return keys, nil
}
