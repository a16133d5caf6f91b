package tokenizer_test

import (
	"fmt"
	"slices"

	"github.com/aladin-go/aladin/internal/tokenizer"
)

func ExampleWordPiece_Tokenize() {
	wp, err := tokenizer.NewWordPiece([]string{"[UNK]", "a", "dog", "catch", "##es", "it", "."}, nil)
	if err != nil {
		panic(err)
	}
	text := "A dog catches it."
	tokens := wp.Tokenize(text)
	for _, w := range tokenizer.Words(text, tokens) {
		fmt.Print(w.Text, ":")
		for _, t := range tokens[w.First:w.Last] {
			fmt.Print(" ", wp.Piece(t.ID))
		}
		fmt.Println()
	}
	// Output:
	// A: a
	// dog: dog
	// catches: catch ##es
	// it: it
	// .: .
}

func ExampleBuildVocab() {
	captions := []string{"a dog runs", "a dog and a cat", "the cat runs and runs"}
	vocab := tokenizer.BuildVocab(slices.Values(captions), 1000, 2)
	wp, err := tokenizer.NewWordPiece(vocab, nil)
	if err != nil {
		panic(err)
	}
	for _, t := range wp.Tokenize("the dog runs") {
		fmt.Print(wp.Piece(t.ID), " ")
	}
	// Output: t ##h ##e dog runs
}
