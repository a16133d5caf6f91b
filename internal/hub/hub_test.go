package hub

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func mustRef(t *testing.T, s string) Reference {
	t.Helper()
	r, err := ParseReference(s)
	require.NoError(t, err)
	return r
}

func read(t *testing.T, elem ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(elem...))
	require.NoError(t, err)
	return string(b)
}

func TestReference(t *testing.T) {
	require.Equal(t, Reference{"openai/clip-vit-base-patch32", "main"}, mustRef(t, "hf:openai/clip-vit-base-patch32"))
	require.Equal(t, Reference{"a/b", "refs/pr/3"}, mustRef(t, "hf:a/b@refs/pr/3"))
	require.Equal(t, "hf:a/b@v1", mustRef(t, "hf:a/b@v1").String())
	require.Equal(t, "hf:a/b", mustRef(t, "hf:a/b").String())
	for _, s := range []string{"a/b", "hf:", "hf:a", "hf:a/b/c", "hf:../b", "hf:a/..", "hf:a/b@", "hf:a/b@../x", "hf:a/b@x/../y", "hf:a--b/c", "hf:a/b@/x", "hf: a/b", "hf:a/b@x y"} {
		_, err := ParseReference(s)
		require.ErrorIs(t, err, ErrReference, s)
	}
}

func TestFetch(t *testing.T) {
	h := newHub(t)
	o := h.options(t)
	o.Token = "secret"
	o.Choose = CLIPFiles
	var last Progress
	o.Progress = func(p Progress) { last = p }
	snap, err := Fetch(t.Context(), mustRef(t, "hf:owner/name"), o)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"README.md", "config.json", "model.safetensors"}, snap.Files)
	require.Equal(t, commit, snap.Commit)
	require.Equal(t, "apache-2.0", snap.Licence.String())
	require.Empty(t, snap.Note)
	for _, name := range snap.Files {
		require.Equal(t, h.files[name], read(t, snap.Dir, name))
	}
	require.Equal(t, last.Total, last.Done)
	require.Equal(t, snap.Downloaded, last.Total)

	// As Hugging Face's own programs have it.
	model := filepath.Join(o.Cache, "models--owner--name")
	require.Equal(t, commit, read(t, model, "refs", "main"))
	require.Equal(t, h.files["model.safetensors"], read(t, model, "blobs", sum(h.files["model.safetensors"])))
	require.Equal(t, h.files["config.json"], read(t, model, "blobs", gitSum(h.files["config.json"])))
	target, err := os.Readlink(filepath.Join(snap.Dir, "config.json"))
	require.NoError(t, err)
	require.Equal(t, "../../blobs/"+gitSum("{}"), filepath.ToSlash(target))

	require.Positive(t, h.requests("auth=Bearer secret"))
	require.Zero(t, h.requests("store GET /model.safetensors range= auth=Bearer"), "the token goes to the hub only")

	// Again: nothing is fetched.
	before := h.requests("resolve")
	snap, err = Fetch(t.Context(), mustRef(t, "hf:owner/name"), o)
	require.NoError(t, err)
	require.Zero(t, snap.Downloaded)
	require.Equal(t, before, h.requests("resolve"))

	// And without the hub.
	asked := h.requests("")
	o.Offline = true
	snap, err = Fetch(t.Context(), mustRef(t, "hf:owner/name"), o)
	require.NoError(t, err)
	require.Equal(t, "mit", snap.Licence.String(), "from the card in the cache")
	require.Contains(t, snap.Note, "HF_HUB_OFFLINE")
	require.Equal(t, asked, h.requests(""))
	o.Offline = false
	h.hub.Close()
	snap, err = Fetch(t.Context(), mustRef(t, "hf:owner/name"), o)
	require.NoError(t, err)
	require.Contains(t, snap.Note, "cannot be reached")
	_, err = Fetch(t.Context(), mustRef(t, "hf:owner/other"), o)
	require.ErrorIs(t, err, ErrOffline)
}

// A file in a folder, by commit and by tag.
func TestRevisions(t *testing.T) {
	h := newHub(t)
	o := h.options(t)
	o.Choose = func([]File) ([]string, error) { return []string{"onnx/text_model.onnx"}, nil }
	for _, ref := range []string{"hf:owner/name@" + commit, "hf:owner/name@v1"} {
		snap, err := Fetch(t.Context(), mustRef(t, ref), o)
		require.NoError(t, err)
		require.Equal(t, "text", read(t, snap.Dir, "onnx", "text_model.onnx"))
	}
	require.Equal(t, commit, read(t, o.Cache, "models--owner--name", "refs", "v1"))
}

func TestCutConnections(t *testing.T) {
	h := newHub(t)
	o := h.options(t)
	h.cuts, h.busy = 3, 1
	snap, err := Fetch(t.Context(), mustRef(t, "hf:owner/name"), o)
	require.NoError(t, err)
	require.Equal(t, h.files["model.safetensors"], read(t, snap.Dir, "model.safetensors"))
	require.Positive(t, h.requests("range=bytes=4000-"))

	// A server without ranges sends it all again.
	h = newHub(t)
	o = h.options(t)
	h.cuts, h.noRanges = 2, true
	snap, err = Fetch(t.Context(), mustRef(t, "hf:owner/name"), o)
	require.NoError(t, err)
	require.Equal(t, h.files["model.safetensors"], read(t, snap.Dir, "model.safetensors"))

	// Given up, and continued by a later call.
	h = newHub(t)
	o = h.options(t)
	h.cuts = attempts
	_, err = Fetch(t.Context(), mustRef(t, "hf:owner/name"), o)
	require.ErrorIs(t, err, ErrOffline)
	require.ErrorContains(t, err, "is there a network")
	snap, err = Fetch(t.Context(), mustRef(t, "hf:owner/name"), o)
	require.NoError(t, err)
	require.Less(t, snap.Downloaded, int64(8000))
	require.Equal(t, h.files["model.safetensors"], read(t, snap.Dir, "model.safetensors"))
}

// A server that cuts every answer and never has the rest is not asked for ever.
func TestNoRest(t *testing.T) {
	h := newHub(t)
	o := h.options(t)
	h.cuts, h.noRest = 100, true
	_, err := Fetch(t.Context(), mustRef(t, "hf:owner/name"), o)
	require.ErrorIs(t, err, ErrServer)
	require.ErrorContains(t, err, "416")
	require.Less(t, h.requests("store GET"), 10)
	h.cuts = 0
	snap, err := Fetch(t.Context(), mustRef(t, "hf:owner/name"), o)
	require.NoError(t, err)
	require.Equal(t, h.files["model.safetensors"], read(t, snap.Dir, "model.safetensors"))
}

// What another time left behind is used only if it is the beginning of the same file.
func TestLeftovers(t *testing.T) {
	for name, left := range map[string]string{"other": strings.Repeat("x", 100), "longer": strings.Repeat("x", 9000), "all": strings.Repeat("weights ", 1000)} {
		h := newHub(t)
		o := h.options(t)
		blobs := filepath.Join(o.Cache, "models--owner--name", "blobs")
		require.NoError(t, os.MkdirAll(blobs, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(blobs, sum(h.files["model.safetensors"])+".incomplete"), []byte(left), 0o600))
		snap, err := Fetch(t.Context(), mustRef(t, "hf:owner/name"), o)
		require.NoError(t, err, name)
		require.Equal(t, h.files["model.safetensors"], read(t, snap.Dir, "model.safetensors"), name)
	}
}

func TestDamage(t *testing.T) {
	for _, name := range []string{"model.safetensors", "config.json"} {
		for _, lie := range []string{strings.Repeat("Weights ", 1000)[:len(newHub(t).files[name])], newHub(t).files[name] + "more"} {
			h := newHub(t)
			o := h.options(t)
			h.lies[name] = lie
			_, err := Fetch(t.Context(), mustRef(t, "hf:owner/name"), o)
			if name == "config.json" && len(lie) > 2 { // the server's Content-Length keeps it short
				require.Error(t, err)
				continue
			}
			require.ErrorIs(t, err, ErrCorrupt, name)
			_, err = os.Stat(filepath.Join(o.Cache, "models--owner--name", "snapshots", commit, name))
			require.ErrorIs(t, err, os.ErrNotExist)
		}
	}
}

func TestRefusals(t *testing.T) {
	h := newHub(t)
	o := h.options(t)
	_, err := Fetch(t.Context(), mustRef(t, "hf:owner/name@nowhere"), o)
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorContains(t, err, h.hub.URL+"/owner/name")

	o.Choose = func([]File) ([]string, error) { return []string{"absent.bin"}, nil }
	_, err = Fetch(t.Context(), mustRef(t, "hf:owner/name"), o)
	require.ErrorIs(t, err, ErrNotFound)
	o.Choose = func([]File) ([]string, error) { return []string{"../../evil"}, nil }
	_, err = Fetch(t.Context(), mustRef(t, "hf:owner/name"), o)
	require.ErrorIs(t, err, ErrNotFound, "names that lead out of the folder are not even listed")
	o.Choose = nil

	h.gated = true
	_, err = Fetch(t.Context(), mustRef(t, "hf:owner/name"), o)
	require.ErrorIs(t, err, ErrAccess)
	require.ErrorContains(t, err, "accept the terms")

	h.gated, h.private = false, "right"
	_, err = Fetch(t.Context(), mustRef(t, "hf:owner/name"), o)
	require.ErrorIs(t, err, ErrAccess)
	require.ErrorContains(t, err, "set HF_TOKEN")
	o.Token = "wrong"
	_, err = Fetch(t.Context(), mustRef(t, "hf:owner/name"), o)
	require.ErrorContains(t, err, "is not valid")
	require.NotContains(t, err.Error(), "wrong", "a token is in no message")
	o.Token = "right"
	_, err = Fetch(t.Context(), mustRef(t, "hf:owner/name"), o)
	require.NoError(t, err)

	h.busy = 100
	_, err = Fetch(t.Context(), mustRef(t, "hf:owner/name"), o)
	require.ErrorIs(t, err, ErrServer)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Fetch(ctx, mustRef(t, "hf:owner/name"), o)
	require.ErrorIs(t, err, context.Canceled)
}

func TestEnvironment(t *testing.T) {
	home := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(home, "token"), []byte("from-file\n"), 0o600))
	get := func(env map[string]string) *settings {
		s, err := (&Options{getenv: func(k string) string { return env[k] }}).settings()
		require.NoError(t, err)
		return s
	}
	s := get(map[string]string{"HF_HOME": home, "HF_ENDPOINT": "https://mirror.example/", "HF_HUB_OFFLINE": "yes"})
	require.Equal(t, []string{filepath.Join(home, "hub"), "https://mirror.example", "from-file"}, []string{s.Cache, s.Endpoint, s.Token})
	require.True(t, s.Offline)
	s = get(map[string]string{"XDG_CACHE_HOME": home, "HF_TOKEN": "t"})
	require.Equal(t, []string{filepath.Join(home, "huggingface", "hub"), defaultEndpoint, "t"}, []string{s.Cache, s.Endpoint, s.Token})
	require.False(t, s.Offline)
	s = get(map[string]string{"HF_HOME": home, "HF_HUB_CACHE": "/elsewhere", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"})
	require.Equal(t, []string{"/elsewhere", ""}, []string{s.Cache, s.Token})
	_, err := (&Options{Endpoint: "ftp://x", getenv: func(string) string { return "" }}).settings()
	require.ErrorIs(t, err, ErrReference)
}

func TestLicence(t *testing.T) {
	for card, want := range map[string]string{
		"---\nlicense: mit\ntags: [a]\n---\n":                                                   "mit",
		"---\r\nlicense: other\r\nlicense_name: apple-amlr\r\nlicense_link: LICENSE\r\n---\r\n": "other (apple-amlr), LICENSE",
		"---\nlicense: [mit, apache-2.0]\n---":                                                  "mit, apache-2.0",
		"---\nlicense: \"\\e[31mred\"\n---\n":                                                   "[31mred",
		"# no head":                                                                             "not stated by its owner",
		"---\n: : :\n---\n":                                                                     "not stated by its owner",
		"---\nlicense: mit":                                                                     "not stated by its owner",
	} {
		require.Equal(t, want, cardLicence([]byte(card)).String(), card)
	}
	require.Empty(t, ReadLicence(t.TempDir()).ID)
}

func TestCLIPFiles(t *testing.T) {
	choose := func(names ...string) []string {
		var files []File
		for _, n := range names {
			files = append(files, File{Name: n})
		}
		chosen, err := CLIPFiles(files)
		require.NoError(t, err)
		return chosen
	}
	require.Equal(t, []string{"config.json", "model.safetensors"}, choose("pytorch_model.bin", "flax_model.msgpack", "config.json", "model.safetensors", "onnx/text_model.onnx"))
	require.Equal(t, []string{"pytorch_model.bin.index.json", "pytorch_model-1.bin", "pytorch_model-2.bin"}, choose("pytorch_model-1.bin", "pytorch_model-2.bin", "pytorch_model.bin.index.json"))
	require.Equal(t, []string{"onnx/text_model.onnx", "onnx/vision_model.onnx", "onnx/text_model.onnx_data"}, choose("onnx/vision_model.onnx", "onnx/text_model.onnx", "onnx/text_model.onnx_data", "onnx/model.onnx"))
	require.Equal(t, []string{"config.json", "textual/model.onnx", "visual/model.onnx", "textual/tokenizer.json"}, choose("config.json", "visual/model.onnx", "textual/model.onnx", "textual/tokenizer.json"))
	_, err := CLIPFiles([]File{{Name: "weights.gguf"}})
	require.ErrorIs(t, err, ErrNotFound)
}

func TestFetchFile(t *testing.T) {
	h := newHub(t)
	o := h.options(t)
	want := h.files["model.safetensors"]
	address := h.store.URL + "/model.safetensors"
	h.cuts = 1
	path, err := FetchFile(t.Context(), address+"#sha256="+strings.ToUpper(sum(want)), o)
	require.NoError(t, err)
	require.Equal(t, want, read(t, path))
	require.Zero(t, h.requests("auth=Bearer"))
	n := h.requests("")
	_, err = FetchFile(t.Context(), address+"#sha256="+sum(want), o)
	require.NoError(t, err)
	require.Equal(t, n, h.requests(""), "it is there already")

	_, err = FetchFile(t.Context(), path+"#sha256="+sum(want), nil)
	require.NoError(t, err)
	_, err = FetchFile(t.Context(), path+"#sha256="+sum("else"), nil)
	require.ErrorIs(t, err, ErrCorrupt)
	_, err = FetchFile(t.Context(), address+"#sha256="+sum("else"), o)
	require.ErrorIs(t, err, ErrCorrupt)
	_, err = FetchFile(t.Context(), address, o)
	require.ErrorIs(t, err, ErrReference, "not protected, no checksum")
	_, err = FetchFile(t.Context(), h.store.URL+"/absent#sha256="+sum("x"), o)
	require.ErrorIs(t, err, ErrNotFound)
	_, err = FetchFile(t.Context(), address+"#sha256=12", o)
	require.ErrorIs(t, err, ErrReference)
	_, err = FetchFile(t.Context(), "/nonexistent", nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	o.Offline = true
	_, err = FetchFile(t.Context(), h.store.URL+"/config.json#sha256="+sum("{}"), o)
	require.ErrorIs(t, err, ErrOffline)
}

// A server that goes silent is given up and asked again.
func TestSilence(t *testing.T) {
	h := newHub(t)
	o := h.options(t)
	o.patient = 50 * time.Millisecond
	ready := make(chan struct{})
	silent := &silentOnce{hub: h, ready: ready}
	h.store.Config.Handler = silent
	snap, err := Fetch(t.Context(), mustRef(t, "hf:owner/name"), o)
	close(ready)
	require.NoError(t, err)
	require.Equal(t, h.files["model.safetensors"], read(t, snap.Dir, "model.safetensors"))
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"a/b.c", "../x", "/x", "a/../../b", "a\\b", "C:x", "a//b", ".git/config", "\x00"} {
		f.Add(s)
	}
	root := f.TempDir()
	f.Fuzz(func(t *testing.T, name string) {
		if !goodName(name) {
			return
		}
		rel, err := filepath.Rel(root, filepath.Join(root, filepath.FromSlash(name)))
		if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			t.Fatalf("%q leads to %q", name, rel)
		}
		cardLicence([]byte("---\n" + name + "\n---\n"))
		if _, err := ParseReference(name); err != nil && !errors.Is(err, ErrReference) {
			t.Fatal(err)
		}
	})
}
