package scorer_test

import (
	"context"
	"fmt"

	"github.com/aladin-go/aladin/scorer"
)

// The best two of three images, by int8 codes.
func ExampleScan() {
	images := []float32{
		1, 0, 0,
		0, 1, 0,
		0.6, 0.8, 0,
	}
	rows, err := scorer.NewRows(scorer.Int8, 3, images, nil)
	if err != nil {
		panic(err)
	}
	query, err := scorer.NewQuery(scorer.Int8, []float32{0.8, 0.6, 0}, nil)
	if err != nil {
		panic(err)
	}
	top := scorer.NewTopK(2)
	scorer.Scan(rows, query, nil, 0, top)
	for _, hit := range top.Hits() {
		fmt.Printf("image %d: %.2f\n", hit.Pos, hit.Score)
	}
	// Output:
	// image 2: 0.96
	// image 0: 0.80
}

// A filter is a bitmap over rows; several queries share one pass.
func ExampleSearch() {
	rows, err := scorer.NewRows(scorer.F16, 2, []float32{1, 0, 0, 1, 1, 0}, nil)
	if err != nil {
		panic(err)
	}
	var queries []*scorer.Query
	for _, v := range [][]float32{{1, 0}, {0, 1}} {
		q, err := scorer.NewQuery(scorer.F16, v, nil)
		if err != nil {
			panic(err)
		}
		queries = append(queries, q)
	}
	withoutFirst := []uint64{0b110}
	hits, err := scorer.Search(context.Background(), []scorer.Segment{{Rows: rows, Filter: withoutFirst}}, queries, 1, 0)
	if err != nil {
		panic(err)
	}
	fmt.Println(hits)
	// Output:
	// [[{2 1}] [{1 1}]]
}

// Bits find candidates, int8 puts them in order.
func ExampleRescore() {
	vectors := []float32{0.9, 0.3, -0.3, 0.7, 0.7, -0.1, -1, 0, 0.1}
	v := []float32{0.8, 0.6, -0.1}
	bits, _ := scorer.NewRows(scorer.Bits, 3, vectors, nil)
	int8s, _ := scorer.NewRows(scorer.Int8, 3, vectors, nil)
	coarse, _ := scorer.NewQuery(scorer.Bits, v, nil)
	fine, _ := scorer.NewQuery(scorer.Int8, v, nil)

	candidates := scorer.NewTopK(2)
	scorer.Scan(bits, coarse, nil, 0, candidates)
	var rows []int
	for _, hit := range candidates.Hits() {
		rows = append(rows, hit.Pos)
	}
	best := scorer.NewTopK(1)
	scorer.Rescore(int8s, fine, rows, 0, best)
	fmt.Println(rows, best.Hits()[0].Pos)
	// Output:
	// [0 1] 1
}

// Two words against the three regions of an image.
func ExampleMaxSim() {
	tokens, err := scorer.NewTokens(scorer.Int8, 2)
	if err != nil {
		panic(err)
	}
	image, err := tokens.AppendBlock(nil, []float32{
		1, 0,
		0, 1,
		0.6, 0.8,
	}, nil)
	if err != nil {
		panic(err)
	}
	words := []float32{
		0, 1,
		0.8, 0.6,
	}
	query, err := scorer.NewMaxSim(tokens, words, []float32{1, 0.5})
	if err != nil {
		panic(err)
	}
	best, score := query.Explain(image)
	for i, b := range best {
		fmt.Printf("word %d: region %d, similarity %.2f\n", i, b.Region, b.Similarity)
	}
	fmt.Printf("score %.2f\n", score)
	// Output:
	// word 0: region 1, similarity 1.00
	// word 1: region 2, similarity 0.96
	// score 1.48
}

// Cells of an inverted file: which one a vector lies in, and which to look into.
func ExampleKMeans() {
	rows, err := scorer.NewRows(scorer.Int8, 2, []float32{1, 0, 0.9, 0.1, 0, 1, 0.1, 0.9}, nil)
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	centroids, err := scorer.KMeans(ctx, rows, 2, &scorer.KMeansOptions{Seed: 1})
	if err != nil {
		panic(err)
	}
	cells := scorer.NewAssigner(centroids, 2, false)
	cell := make([]uint32, rows.N)
	if err := cells.Assign(ctx, rows, cell, 0); err != nil {
		panic(err)
	}
	fmt.Println(cell[0] == cell[1], cell[2] == cell[3], cell[0] == cell[2])
	fmt.Println(cells.Nearest([]float32{0, 1}, 1)[0] == int(cell[2]))
	// Output:
	// true true false
	// true
}
