package searchpage

import (
	"bytes"
	"encoding/base64"
	"flag"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/picture"
)

var update = flag.Bool("update", false, "rewrite testdata")

// word is a match of text[start:end].
func word(text string, start, end, region int, similarity float32) index.WordMatch {
	return index.WordMatch{Word: text[start:end], Start: start, End: end, Region: region, Similarity: similarity, Weight: 0.5,
		Box: index.Box{0.1 * float32(region), 0.5, 0.1*float32(region) + 0.2, 0.75}}
}

func write(t *testing.T, p Page) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, p.Write(&b))
	return b.String()
}

// body is the part of a page that is not the same for all.
func body(page string) string {
	_, page, _ = strings.Cut(page, "</style>\n")
	page, _, _ = strings.Cut(page, "<script>")
	return page
}

func TestPage(t *testing.T) {
	const query = `A <red> ball, the "café"`
	words := []index.WordMatch{word(query, 0, 1, 2, 0.4), word(query, 3, 6, 2, 0.91), word(query, 8, 12, 2, 0.8), word(query, 14, 17, 5, 0.2), word(query, 19, 24, 7, -0.3)}
	words[4].Label = "cup"
	silent := word(query, 3, 6, -1, 0)
	null := word(query, 8, 12, 9, 0)
	null.Box = index.Box{}
	page := write(t, Page{
		Title: "Hits & <misses>", Notes: []string{"2 items", "model tiny"},
		Searches: []Search{
			{Query: query, Hits: []Hit{
				{Hit: index.Hit{ID: "a&b.jpg", Match: 0.5, Align: 1.25, Score: 1.5, Words: words}, Relevance: 0.42},
				{Hit: index.Hit{ID: "none.jpg", Words: []index.WordMatch{silent, null}}, Relevance: -1},
				{Hit: index.Hit{ID: "plain.jpg", Match: -0.25}, Relevance: -1},
				{Hit: index.Hit{ID: "a#1", Kind: index.Caption, Words: words[:2]}, Relevance: -1, Text: "a <b> caption"},
			}},
			{Query: "nothing at all"},
		},
	})
	golden := "testdata/page.golden"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(body(page)), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	if diff := cmp.Diff(string(want), body(page)); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
	assert.NotContains(t, page, "ZgotmplZ", "the template engine has refused a value")
}

// A page needs nothing beside it.
func TestSelfContained(t *testing.T) {
	img := image.NewRGBA(image.Rect(10, 10, 1210, 410))
	for i := range img.Pix {
		img.Pix[i] = 200
	}
	img.Set(20, 20, color.Black)
	f, err := picture.OpenImage(img, nil)
	require.NoError(t, err)
	small, err := f.Thumbnail(t.Context(), Thumbnail, Quality)
	require.NoError(t, err)
	page := write(t, Page{Searches: []Search{{Query: "grey", Hits: []Hit{{Hit: index.Hit{ID: "grey.png"}, Photo: small}}}}})
	for _, m := range regexp.MustCompile(`(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]*)`).FindAllStringSubmatch(page, -1) {
		assert.True(t, strings.HasPrefix(m[1], "data:image/jpeg;base64,"), m[0])
	}
	assert.NotRegexp(t, `https?://`, page)
	_, data, ok := strings.Cut(page, "data:image/jpeg;base64,")
	require.True(t, ok)
	data, _, _ = strings.Cut(data, `"`)
	raw, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(data, "&#43;", "+"))
	require.NoError(t, err)
	shown, err := jpeg.Decode(bytes.NewReader(raw))
	require.NoError(t, err)
	assert.Equal(t, image.Pt(360, 120), shown.Bounds().Size())
	assert.Contains(t, page, "aspect-ratio: 360 / 120")
}

func TestBoxes(t *testing.T) {
	at := func(x1, y1, x2, y2 float32) []viewBox {
		return group([]index.WordMatch{{Word: "dog", Weight: 1, Box: index.Box{x1, y1, x2, y2}}}).boxes()
	}
	for name, c := range map[string]struct {
		got  []viewBox
		want string
	}{
		"inside":          {at(0.25, 0.25, 0.5, 0.75), "c1 left:25.00%;top:25.00%;width:25.00%;height:50.00%"},
		"at the top":      {at(0, 0, 0.5, 1), "c1 high left:0.00%;top:0.00%;width:50.00%;height:100.00%"},
		"at the right":    {at(0.75, 0.5, 1, 1), "c1 right left:75.00%;top:50.00%;width:25.00%;height:50.00%"},
		"beyond the edge": {at(-1, 0.5, 2, 3), "c1 left:0.00%;top:50.00%;width:100.00%;height:50.00%"},
	} {
		require.Len(t, c.got, 1, name)
		assert.Equal(t, c.want, c.got[0].Class+" "+string(c.got[0].Place), name)
	}
	assert.Empty(t, at(0, 0, 0, 0), "the null region is nowhere")

	// Words that found the same region share a box; those that name nothing have none of their own.
	const text = "a dog on a bed"
	boxes := group([]index.WordMatch{word(text, 0, 1, 1, 1), word(text, 2, 5, 3, 1), word(text, 6, 8, 3, 1), word(text, 9, 10, 4, 1), word(text, 11, 14, 1, 1)}).boxes()
	require.Len(t, boxes, 3)
	assert.Equal(t, "bed", boxes[0].Label)
	assert.Equal(t, "c2", boxes[0].Class, "colours go by the words that name things")
	assert.Equal(t, "dog", boxes[1].Label)
	assert.Equal(t, "quiet", boxes[2].Class)
}

// Places that are not of this text, as a combined query has them, do no harm.
func TestParts(t *testing.T) {
	words := []index.WordMatch{word("0123456789", 2, 4, 1, 1), word("0123456789", 1, 3, 1, 1), {Start: 5, End: 500}, {Start: -4, End: 2}, {Start: 5, End: 5}}
	var got []string
	for _, p := range parts("012345", words, group(words)) {
		got = append(got, p.Text)
	}
	assert.Equal(t, []string{"01", "23", "45"}, got)
	assert.Nil(t, parts("text", nil, group(nil)))
}
