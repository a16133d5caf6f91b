// Package serve answers searches over HTTP: a JSON API, described by an OpenAPI
// document that it serves itself, and a web page that uses it.
//
//	s, err := serve.New(ix, "photos.aladin", model, &serve.Options{Images: "photos"})
//	err = s.Serve(ctx, listener) // until ctx ends
//
// # What a search does
//
// A query is a sum of parts, each with a weight: texts, photos, items of the
// index. Their matching vectors are added and recall candidates; each part is
// aligned with the candidates on its own, and the weighted alignment scores are
// added, so a hit says for every word of every part which region it matched. A
// negative weight excludes.
//
// # Life of the index
//
// Each step of a search sees the commit of the index that is current. When the
// file changes (Watch) or on request (Refresh) the server moves on; steps that
// are under way finish on the commit that they began with, and a search that lost
// an item between two steps is made again. No request fails for it.
//
// # What can be read
//
// Photos and thumbnails are given for ids that the index holds, from files below
// Options.Images, opened through an [os.Root]: neither ".." nor a symbolic link
// leads out of the folder, and what does not begin like a picture is not served.
//
// # Limits
//
// Every size that a client chooses has a limit, see [Limits]; searches beyond
// what the machine can do at a time wait in a bounded queue, and the rest is told
// to come back. The server keeps encoded queries and thumbnails in caches that
// are bounded in bytes.
//
// A Server is safe for concurrent use. It writes to the logger that it was given,
// or nowhere.
package serve
