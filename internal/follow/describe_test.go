package follow_test

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/follow"
)

// described is a JPEG whose XMP has a title and keywords.
func described(t *testing.T, title string, keywords ...string) string {
	t.Helper()
	xmp := `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">` +
		`<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title><rdf:Alt><rdf:li xml:lang="x-default">` + title + `</rdf:li></rdf:Alt></dc:title><dc:subject><rdf:Bag>`
	for _, k := range keywords {
		xmp += "<rdf:li>" + k + "</rdf:li>"
	}
	xmp = "http://ns.adobe.com/xap/1.0/\x00" + xmp + "</rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8)), nil))
	out := append([]byte{0xff, 0xd8, 0xff, 0xe1}, binary.BigEndian.AppendUint16(nil, uint16(len(xmp)+2))...)
	return string(out) + xmp + string(b.Bytes()[2:])
}

// Keywords of photos are tags beside those that people gave, and change with the photo.
func TestXMP(t *testing.T) {
	w := newWorld(t)
	put(t, w.dir, "a.jpg", described(t, "A tram", "Lisbon", "tram"))
	w.sync()
	w.is("a.jpg")
	w.tag("a.jpg", "mine", "tram")

	w.opts.XMP = true
	require.Equal(t, [5]int{}, w.sync(), "nothing is encoded for it")
	w.is("a.jpg: Lisbon mine tram")
	w.opts.XMP = false // it is remembered
	before := fileBytes(t, w.file)
	require.Equal(t, [5]int{}, w.sync())
	require.Equal(t, before, fileBytes(t, w.file))

	meta := func() (string, string) {
		ix, err := index.Open(w.file, nil)
		require.NoError(t, err)
		defer ix.Close()
		f, err := ix.Fields(t.Context(), "a.jpg")
		require.NoError(t, err)
		return string(f.Meta), f.Text
	}
	m, text := meta()
	require.JSONEq(t, `{"title": "A tram"}`, m)
	require.Equal(t, "A tram", text)

	put(t, w.dir, "a.jpg", described(t, "Another", "Porto"))
	require.Equal(t, [5]int{0, 1, 0, 0, 0}, w.sync())
	w.is("a.jpg: Porto mine tram") // tram was given by hand, too
	m, _ = meta()
	require.JSONEq(t, `{"title": "Another"}`, m)
}

func FuzzState(f *testing.F) {
	f.Add([]byte{1, 5, 0, 1, 2, 3, 4, 5, 6, 7, 8}, []byte(`{"roots": [{"dir": "/x"}, {"name": "a", "dir": "/y"}]}`))
	f.Add([]byte{0x81, 5, 0, 1, 2, 3, 4, 5, 6, 7, 8, 3, 'r', 'e', 'd'}, []byte(`{}`))
	f.Fuzz(func(t *testing.T, item, file []byte) {
		follow.Differs(item, "/nowhere")
		if roots, err := follow.Roots(file); err == nil {
			for _, r := range roots {
				require.NotEmpty(t, r.Dir)
			}
		}
	})
}
