package weaviate

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
)

func TestAddress(t *testing.T) {
	for name, want := range map[string]address{
		"weaviate://a/Photos":                     {class: "Photos", nodes: []place{{"a:8080", "a:50051"}}},
		"weaviate://a:1,b:2:3/P_1":                {class: "P_1", nodes: []place{{"a:1", "a:50051"}, {"b:2", "b:3"}}},
		"weaviates://x.example.org:443:443/P":     {tls: true, class: "P", nodes: []place{{"x.example.org:443", "x.example.org:443"}}},
		"weaviate://[::1]:80,[fe80::1]:8080:90/P": {class: "P", nodes: []place{{"[::1]:80", "[::1]:50051"}, {"[fe80::1]:8080", "[fe80::1]:90"}}},
	} {
		a, err := parseAddress(name)
		require.NoError(t, err, name)
		want.name = name
		assert.Equal(t, &want, a)
	}
	for _, name := range []string{
		"", "photos.aladin", "http://a/P", "weaviate://", "weaviate:///P", "weaviate://a", "weaviate://a/", "weaviate://a/photos", "weaviate://a/P/Q", "weaviate://a/P?x",
		"weaviate://a:b/P", "weaviate://a:0/P", "weaviate://a:99999/P", "weaviate://a:1:2:3/P", "weaviate://a:/P", "weaviate://user@a/P", "weaviate://a,,b/P",
		"weaviate://[a]/P", "weaviate://[::1/P", "weaviate://a b/P", "weaviate://a/" + strings.Repeat("P", 300), "weaviate://" + strings.Repeat("a,", 300) + "a/P",
	} {
		require.ErrorIs(t, CheckAddress(name), index.ErrInvalid, name)
	}
	assert.True(t, IsAddress("weaviates://x"))
	assert.False(t, IsAddress("photos.aladin"))
}

func TestUUID(t *testing.T) {
	dns := [16]byte{0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}
	assert.Equal(t, "2ed6657d-e927-568b-95e1-2665a8aea6a2", uuid(dns, "www.example.com"), "RFC 9562, appendix A.4")
	assert.NotEqual(t, itemUUID("a"), uuid(sharedSpace, "a"))
}

// Tags come back as they were, and no two are stored as texts that the engine takes for the same.
func FuzzTag(f *testing.F) {
	for _, s := range []string{"a", " a", `"`, "", "\xff", "日本", "a\x00", "a\u00a0"} {
		f.Add(s, "a")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := encodeTag(a), encodeTag(b)
		require.Equal(t, a, decodeTag(x))
		require.True(t, utf8.ValidString(x))
		require.Equal(t, a == b, strings.TrimSpace(x) == strings.TrimSpace(y))
	})
}

// Replies are anybody's bytes.
func FuzzReplies(f *testing.F) {
	f.Add([]byte("\x12\x04\x0a\x02\x5a\x00\x12\x04\x12\x02\x0a\x00"))
	f.Add([]byte{0x18, 3, 0x2a, 2, 0x10, 1})
	f.Add([]byte{0x1a, 4, 0x0a, 2, 0x08, 5})
	f.Fuzz(func(t *testing.T, b []byte) {
		before := slices.Clone(b)
		found, err := decodeResults(b, 5)
		if err == nil {
			require.LessOrEqual(t, len(found), 5)
			_, _ = unpack(found)
		}
		failed, err := decodeBatch(b, 3)
		if err == nil {
			require.LessOrEqual(t, len(failed), 3)
		}
		_, _, _ = decodeDelete(b)
		_, groups, _ := decodeCounts(b)
		require.LessOrEqual(t, len(groups), len(b))
		_ = readMessage(new(bytes.Buffer), bytes.NewReader(b))
		require.Equal(t, before, b)
	})
}
