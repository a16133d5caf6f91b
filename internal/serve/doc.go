// Package serve answers searches over HTTP: a JSON API, described by an OpenAPI
// document that it serves itself, and a web page that uses it.
//
//	s, err := serve.New(ctx, collection, "photos.aladin", &serve.Options{Images: "photos"})
//	err = s.Serve(ctx, listener) // until ctx ends
//
// # What a search does
//
// Requests become an [aladin.Query]: parsing, adding up and searching are the
// library's. A hit says for every word of every part of the query which region it
// matched.
//
// # Life of the index
//
// A search sees one commit of the index. When the file changes (Watch) or on
// request (Refresh) the server moves on; searches that are under way finish on the
// commit that they began with. While searches fail for a reason of the server's own
// /healthz says so.
//
// # What can be read
//
// Photos and thumbnails are given for ids that the index holds, from files below
// Options.Images, opened through an [os.Root]: neither ".." nor a symbolic link
// leads out of the folder (but for Options.Follow), and what does not begin like a
// picture is not served. What pages of other sites ask for is refused.
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
