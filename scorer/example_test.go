package scorer_test

import (
	"context"
	"fmt"

	"github.com/aladin-go/aladin/scorer"
)

// The best two of three images, by int8 codes.
func ExampleRows_Search() {
	images := []float32{
		1, 0, 0,
		0, 1, 0,
		0.6, 0.8, 0,
	}
	rows, err := scorer.NewRows(scorer.Int8, 3, images, nil)
	if err != nil {
		panic(err)
	}
	hits, err := rows.Search(context.Background(), []float32{0.8, 0.6, 0}, 2, nil)
	if err != nil {
		panic(err)
	}
	for _, hit := range hits[0] {
		fmt.Printf("image %d: %.2f\n", hit.Row, hit.Score)
	}
	// Output:
	// image 2: 0.96
	// image 0: 0.80
}

// A filter is a bitmap over rows; several queries share one pass.
func ExampleRows_Search_filter() {
	rows, err := scorer.NewRows(scorer.F16, 2, []float32{1, 0, 0, 1, 1, 0}, nil)
	if err != nil {
		panic(err)
	}
	queries := []float32{
		1, 0,
		0, 1,
	}
	hits, err := rows.Search(context.Background(), queries, 1, &scorer.SearchOptions{Filter: []uint64{0b110}})
	if err != nil {
		panic(err)
	}
	fmt.Println(hits)
	// Output:
	// [[{2 1}] [{1 1}]]
}

// Bits find candidates, int8 puts them in order.
func ExampleRows_Search_rescore() {
	vectors := []float32{0.9, 0.3, -0.3, 0.7, 0.7, -0.1, -1, 0, 0.1}
	coarse, err := scorer.NewRows(scorer.Bits, 3, vectors, nil)
	if err != nil {
		panic(err)
	}
	fine, err := scorer.NewRows(scorer.Int8, 3, vectors, nil)
	if err != nil {
		panic(err)
	}
	query := []float32{0.8, 0.6, -0.1}
	hits, err := coarse.Search(context.Background(), query, 1, &scorer.SearchOptions{Rescore: fine, Candidates: 2})
	if err != nil {
		panic(err)
	}
	fmt.Printf("row %d: %.2f\n", hits[0][0].Row, hits[0][0].Score)
	// Output:
	// row 1: 0.99
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
