// Package aladin finds images by text and text by images, and says which word found which region.
//
//	photos, err := aladin.Open("photos.model", "photos.aladin", &aladin.Options{Images: "photos"})
//	found, err := photos.Ask(ctx, "a dog catches a frisbee -people", &aladin.SearchOptions{K: 10})
//	for _, h := range found.Hits {
//		fmt.Println(h.File, h.Align)
//		for _, w := range h.Words {
//			fmt.Println("  ", w.Word, "→ region", w.Region, w.Box, w.Similarity)
//		}
//	}
//
// # Model
//
// A [Model] turns a sentence, a picture or a list of detected regions into an [Encoding]: one vector in a
// space that text and images share, and a vector for each word or region. Two scores compare encodings.
// [Match] is the inner product of the two vectors: cheap enough for millions. Alignment ([Model.Align]) takes for
// each word the region that fits it best and adds up the similarities: slower, better, and explained word
// by word. A search ([Collection.Search]) finds candidates in an index by the first and ranks them by the second.
//
// A model is a folder, made by aladin-train. An index is a file, made by aladin-index or package index, or a collection
// in an engine (package weaviate). An
// Encoding is plain data and works without the model that made it; only encodings of the same model can be
// compared, and everything here refuses others.
//
// # Without ONNX Runtime
//
// Encoding runs on ONNX Runtime, which is found in the folder that the environment variable
// ALADIN_ONNXRUNTIME names, in the user's cache folder, where `make setup` puts it, or in the system's.
// Everything else is Go: matching, alignment and search work without it, also in programs built
// without cgo.
//
// # Concurrency
//
// A Model is safe for concurrent use. What methods return belongs to the caller, and is never written to
// afterwards. Close waits for calls under way. Contexts are heeded inside long calls.
package aladin

import (
	"math"

	"github.com/aladin-go/aladin/index"
)

type (
	// Encoding is what a model makes of a text or an image. It is plain data.
	Encoding = index.Encoding
	// SearchOptions say how much is searched for, and where. Nil and zero values find the best 10 of 200
	// candidates.
	SearchOptions = index.SearchOptions
)

// Kinds of encodings.
const (
	KindImage   = index.Image
	KindCaption = index.Caption
)

// Match is the inner product of two encodings' vectors, −1…1: how well they fit as a whole. It is their cosine, unless the
// model makes vectors shorter of items that are near everything (hubs). It is not a number if they come from models of
// different dimensions, or one is empty.
func Match(a, b *Encoding) float32 {
	if len(a.Matching) == 0 || len(a.Matching) != len(b.Matching) {
		return float32(math.NaN())
	}
	var sum float64
	for i, v := range a.Matching {
		sum += float64(v) * float64(b.Matching[i])
	}
	return float32(sum)
}
