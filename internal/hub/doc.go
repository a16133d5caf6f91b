// Package hub brings models from the Hugging Face hub, or from any URL, onto this machine.
//
// A reference is hf:owner/name, or hf:owner/name@revision with a branch, tag or commit. [Fetch] asks the hub which files
// the revision has, lets the caller choose, and downloads what is not in Hugging Face's own cache yet; files lie there
// as that ecosystem's programs put them (blobs, snapshots, refs), so that neither fetches what the other has. A
// download that was cut is continued. What is longer or shorter than the hub said, or has another checksum (SHA-256 of
// large files, git's SHA-1 of small ones), is not kept. Without a network, or with HF_HUB_OFFLINE, the cache has to do.
//
// The variables of that ecosystem are heeded: HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE, HF_ENDPOINT, HF_TOKEN,
// HF_TOKEN_PATH, HF_HUB_DISABLE_IMPLICIT_TOKEN. A token goes to the hub only, never to where it redirects.
//
// Nothing that the hub says is trusted: names of files stay inside the snapshot, every size has a bound.
package hub

import "errors"

// Errors of this package; each is wrapped with what happened and what to do.
var (
	// ErrReference: not hf:owner/name[@revision], nor a URL or file with #sha256=.
	ErrReference = errors.New("hub: malformed reference")
	// ErrOffline: it is not in the cache, and the hub is not to be asked or cannot be reached.
	ErrOffline = errors.New("hub: not in the cache and not reachable")
	// ErrAccess: the hub refuses: no token, a wrong one, or terms that were not accepted.
	ErrAccess = errors.New("hub: access refused")
	// ErrNotFound: no such model, revision or file.
	ErrNotFound = errors.New("hub: not found")
	// ErrCorrupt: what arrived is not what was announced.
	ErrCorrupt = errors.New("hub: damaged download")
	// ErrServer: the server answers in a way that this package does not understand, or gave up.
	ErrServer = errors.New("hub: the server failed")
)
