// Package weaviate searches and fills collections in Weaviate, for what outgrows a file: hundreds of millions of
// photos, many writers, no machine whose loss stops the search. docs/many-machines.md says when that is, and how to run it.
//
//	photos, err := weaviate.Open(ctx, "weaviate://10.0.0.1,10.0.0.2,10.0.0.3/Photos", nil)
//	hits, err := photos.Search(ctx, query, &index.SearchOptions{K: 10})
//
// A [Collection] is an [index.Searcher]. The engine recalls candidates by its graph over the matching vectors (HNSW
// with 8-bit rotational quantisation and the inner product as distance); alignment, coverage, words and all scores come of
// package index, from token blocks that are stored with the items. So the same candidates get the scores that a
// file gives them, bit for bit, and only which candidates are recalled is the engine's.
//
// # Addresses
//
//	weaviate://host[:port[:grpc-port]][,host…]/Class
//	weaviates://…
//
// The ports are those of REST, 8080 by default, and of gRPC, 50051. weaviates means TLS for both. Name several
// nodes of the cluster: calls go to them in turn, and what one does not answer, another is asked once. Class is a
// collection, or an alias of one, and begins with a capital letter.
//
// # Replicas
//
// Writes are acknowledged by a quorum of an item's replicas, and reads ask one: after a node was lost, what was
// acknowledged is found at once on the others, and on that node when the engine has put it in step again, which takes
// seconds to minutes. Writes are idempotent, because an item's object is named by its id, and are sent again when they fail.
//
// # What is trusted
//
// Nothing that a node answers: replies are bounded in bytes before they are read, and what is stored is checked
// when it is unpacked. Everything here is safe for concurrent use, but for a [Writer], which belongs to one goroutine.
package weaviate
