package tokenizer

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/npy"
	"github.com/aladin-go/aladin/internal/shareddata"
)

// layouts are the folders of the fixtures and what a model's configuration there says about its tokenizer.
var layouts = []struct {
	dir     string // of the tokenizer's files
	kind    string // of the expected values
	options ImportOptions
	ids     string
}{
	{"hf-clip", "hf-clip", ImportOptions{}, "input_ids"},
	{"hf-clip-new", "hf-clip-new", ImportOptions{}, "input_ids"},
	{"transformers-js", "transformers-js", ImportOptions{}, "input_ids"},
	{"transformers-js-mask", "transformers-js-mask", ImportOptions{}, "input_ids"},
	{"hf-clip", "hf-clip", ImportOptions{Library: OpenCLIP}, "input_ids_openclip"},
	{"hf-clip-new", "hf-clip-new", ImportOptions{Library: OpenCLIP}, "input_ids_openclip"},
	{"openclip", "openclip", ImportOptions{Library: OpenCLIP}, "input_ids"},
	{"openclip", "openclip", ImportOptions{}, "input_ids_hf"},
	{"openclip-custom", "openclip-custom", ImportOptions{Library: OpenCLIP}, "input_ids"},
	{"openclip-custom", "openclip-custom", ImportOptions{}, "input_ids_hf"},
	{"openclip-siglip", "openclip-siglip", ImportOptions{Library: OpenCLIP, SigLIP: true, HFName: true, Clean: "canonicalize"}, "input_ids"},
	{"openclip-siglip", "openclip-siglip", ImportOptions{}, "input_ids_hf"},
	{"immich/textual", "immich", ImportOptions{Library: Immich}, "input_ids"},
	{"immich/textual", "immich", ImportOptions{Library: OpenCLIP}, "input_ids_openclip"},
	{"siglip", "siglip", ImportOptions{SigLIP: true}, "input_ids"},
	{"siglip2", "siglip2", ImportOptions{SigLIP: true}, "input_ids"},
	{"siglip2", "siglip2", ImportOptions{}, "input_ids_cased"},
}

func fixtureTexts(tb testing.TB) []string {
	tb.Helper()
	b, err := os.ReadFile(shareddata.Dir(tb, "clip-tiny", "texts.json"))
	require.NoError(tb, err)
	var texts []string
	require.NoError(tb, json.Unmarshal(b, &texts))
	require.Len(tb, texts, 24)
	return texts
}

// TestFixtures compares with the ids of the original libraries.
func TestFixtures(t *testing.T) {
	root := shareddata.Dir(t, "clip-tiny")
	texts := fixtureTexts(t)
	for _, l := range layouts {
		t.Run(l.kind+"/"+l.ids, func(t *testing.T) {
			z, err := npy.OpenZ(filepath.Join(root, l.kind, "expected.npz"))
			require.NoError(t, err)
			defer z.Close()
			if !z.Has(l.ids) {
				t.Skipf("no %s", l.ids)
			}
			tok, err := Import(filepath.Join(root, l.dir), &l.options)
			require.NoError(t, err)
			want, err := z.Read(l.ids)
			require.NoError(t, err)
			ids, err := want.Int64s()
			require.NoError(t, err)
			var file bytes.Buffer
			require.NoError(t, tok.Write(&file))
			stored, err := Parse(file.Bytes())
			require.NoError(t, err)
			n := want.Shape[1]
			for i, text := range texts {
				s := Encode(tok, text, n)
				assert.Equal(t, ids[i*n:(i+1)*n], s.IDs(n, tok.Frame().Pad), "text %d: %q", i, text)
				assert.Equal(t, s, Encode(stored, text, n), "stored, text %d", i)
				checkTokens(t, text, s.Tokens[s.Pieces[0]:s.Pieces[1]])
			}
		})
	}
}
