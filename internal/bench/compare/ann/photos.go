//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/aladin-go/aladin"
)

// encode makes a set with a model: items are captions and their words, queries photos and their regions. The captions
// are a file of photo <tab> number <tab> caption; those of the last photos, as many as the queries need, are no items.
func encode(ctx context.Context, model, captions, photos string, queries int) (*set, error) {
	m, err := aladin.OpenModel(model, nil)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	f, err := os.Open(captions)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	texts := map[string][]string{}
	var names []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		cells := strings.Split(lines.Text(), "\t")
		if len(cells) != 3 {
			return nil, fmt.Errorf("%s: %q is not photo <tab> number <tab> caption", captions, lines.Text())
		}
		if texts[cells[0]] == nil {
			names = append(names, cells[0])
		}
		texts[cells[0]] = append(texts[cells[0]], cells[2])
	}
	s := &set{name: fmt.Sprintf("words and captions of %s", filepath.Base(captions))}
	for len(names) > 0 && len(s.queries) < queries*max(s.dim, 1) {
		name := names[len(names)-1]
		names = names[:len(names)-1]
		e, err := m.Encode(ctx, aladin.ImageFile(filepath.Join(photos, name)))
		if err != nil {
			return nil, err
		}
		s.dim = len(e.Matching)
		s.queries = append(s.queries, vectors(e)...)
	}
	s.queries = s.queries[:min(queries*s.dim, len(s.queries))]
	for _, name := range names {
		var batch []aladin.Input
		for _, t := range texts[name] {
			batch = append(batch, aladin.Text(t))
		}
		es, err := m.EncodeBatch(ctx, batch)
		if err != nil {
			return nil, err
		}
		for _, e := range es {
			s.items = append(s.items, vectors(e)...)
		}
	}
	return s, nil
}

// vectors are those of an encoding that something is compared with: its own and its tokens'.
func vectors(e *aladin.Encoding) []float32 {
	v := append([]float32(nil), e.Matching...)
	for i := 0; i < e.N(); i++ {
		if dim := len(e.Tokens) / e.N(); dim == len(e.Matching) && (e.Weights == nil || e.Weights[i] != 0) {
			v = append(v, e.Tokens[i*dim:(i+1)*dim]...)
		}
	}
	return v
}
