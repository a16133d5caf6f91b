package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/picture/picturetest"
)

const samplePacket = `<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
  xmlns:exif="http://ns.adobe.com/exif/1.0/" photoshop:DateCreated="2021-05-06T07:08:09+02:00" exif:GPSLatitude="48,12.5N">
 <exif:GPSLongitude>16,22,12W</exif:GPSLongitude>
 <dc:title><rdf:Alt><rdf:li xml:lang="de">Hund</rdf:li><rdf:li xml:lang="x-default">A dog</rdf:li></rdf:Alt></dc:title>
 <dc:description><rdf:Alt><rdf:li xml:lang="x-default">Our dog &amp; his
 ball</rdf:li></rdf:Alt></dc:description>
 <dc:subject><rdf:Bag><rdf:li>dog</rdf:li><rdf:li> ball </rdf:li><rdf:li>dog</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>`

func iptcSet(set byte, value string) []byte {
	return append([]byte{0x1c, 2, set, byte(len(value) >> 8), byte(len(value))}, value...)
}

func sampleIPTC() []byte {
	b := append([]byte{0x1c, 1, 90, 0, 3}, "\x1b%G"...)
	for _, s := range [][]byte{iptcSet(5, "Title"), iptcSet(25, "sea"), iptcSet(25, "sun\xe9"), iptcSet(120, "By the sea"), iptcSet(55, "20200102"), iptcSet(60, "030405+0100")} {
		b = append(b, s...)
	}
	return b
}

func photoshop(iptc []byte) []byte {
	b := []byte("Photoshop 3.0\x008BIM\x04\x25\x00\x00\x00\x00\x00\x028B8BIM\x04\x04\x00\x00")
	b = binary.BigEndian.AppendUint32(b, uint32(len(iptc)))
	return append(b, iptc...)
}

// sampleExif has a description, a date, and a place.
func sampleExif() []byte {
	b := append([]byte("II*\x00"), 8, 0, 0, 0)
	put := func(tag, kind uint16, count, value uint32) {
		b = binary.LittleEndian.AppendUint16(b, tag)
		b = binary.LittleEndian.AppendUint16(b, kind)
		b = binary.LittleEndian.AppendUint32(b, count)
		b = binary.LittleEndian.AppendUint32(b, value)
	}
	const main, exif, gps, data = 8, 8 + 2 + 3*12 + 4, 8 + 2 + 3*12 + 4 + 2 + 2*12 + 4, 8 + 2 + 3*12 + 4 + 2 + 2*12 + 4 + 2 + 4*12 + 4
	b = append(b, 3, 0)
	put(tagDescription, 2, 9, data)
	put(tagExifIFD, 4, 1, exif)
	put(tagGPSIFD, 4, 1, gps)
	b = append(b, 0, 0, 0, 0, 2, 0)
	put(tagOriginalTime, 2, 20, data+10)
	put(tagTimeOffset, 2, 7, data+30)
	b = append(b, 0, 0, 0, 0, 4, 0)
	put(1, 2, 2, 'S')
	put(2, 5, 3, data+38)
	put(3, 2, 2, 'E')
	put(4, 5, 3, data+38)
	b = append(b, 0, 0, 0, 0)
	b = append(b, "Two cats\x00\x002019:03:04 05:06:07\x00-03:30\x00\x00"...)
	for _, v := range []uint32{10, 1, 30, 1, 3600, 100} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

func TestMetadata(t *testing.T) {
	jpeg := encodeJPEG(t, quarters(8, 8))
	png := encodePNG(t, quarters(8, 8))
	app := func(data []byte, marker byte, body []byte) []byte {
		head := append([]byte{0xff, 0xd8, 0xff, marker, byte((len(body) + 2) >> 8), byte(len(body) + 2)}, body...)
		return append(head, data[2:]...)
	}
	xmpApp := append([]byte("http://ns.adobe.com/xap/1.0/\x00"), samplePacket...)
	chunk := func(data []byte, name string, body []byte) []byte {
		const ihdr = 8 + 25
		return append(append(bytes.Clone(data[:ihdr]), picturetest.Chunk(name, body)...), data[ihdr:]...)
	}
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	z.Write([]byte(samplePacket))
	z.Close()
	fromXMP := Metadata{
		Title: "A dog", Description: "Our dog & his  ball", Keywords: []string{"dog", "ball"},
		Taken: time.Date(2021, 5, 6, 5, 8, 9, 0, time.UTC), Place: &Place{48 + 12.5/60, -(16 + 22.0/60 + 12.0/3600)},
	}
	fromIPTC := Metadata{Title: "Title", Description: "By the sea", Keywords: []string{"sea", "suné"}, Taken: time.Date(2020, 1, 2, 2, 4, 5, 0, time.UTC)}
	place := 10 + 30.0/60 + 36.0/3600
	fromEXIF := Metadata{Description: "Two cats", Taken: time.Date(2019, 3, 4, 8, 36, 7, 0, time.UTC), Place: &Place{-place, place}}
	both := fromXMP
	both.Keywords = []string{"dog", "ball", "sea", "suné"}
	for name, c := range map[string]struct {
		data []byte
		want Metadata
	}{
		"nothing":         {jpeg, Metadata{}},
		"JPEG, XMP":       {app(jpeg, 0xe1, xmpApp), fromXMP},
		"JPEG, IPTC":      {app(jpeg, 0xed, photoshop(sampleIPTC())), fromIPTC},
		"JPEG, EXIF":      {withExif(jpeg, sampleExif()), fromEXIF},
		"JPEG, all":       {app(app(withExif(jpeg, sampleExif()), 0xed, photoshop(sampleIPTC())), 0xe1, xmpApp), both},
		"PNG, iTXt":       {chunk(png, "iTXt", append([]byte("XML:com.adobe.xmp\x00\x00\x00\x00\x00"), samplePacket...)), fromXMP},
		"PNG, compressed": {chunk(png, "iTXt", append([]byte("XML:com.adobe.xmp\x00\x01\x00\x00\x00"), packed.Bytes()...)), fromXMP},
		"PNG, texts":      {chunk(chunk(png, "tEXt", []byte("Title\x00Caf\xe9")), "tEXt", []byte("Description\x00x")), Metadata{Title: "Café", Description: "x"}},
		"PNG, EXIF":       {withExif(png, sampleExif()), fromEXIF},
	} {
		f, err := Open(bytes.NewReader(c.data), nil)
		require.NoError(t, err, name)
		got := f.Metadata()
		got.Taken = got.Taken.UTC()
		if c.want.Place != nil {
			require.NotNil(t, got.Place, name)
			assert.InDelta(t, c.want.Place.Latitude, got.Place.Latitude, 1e-9, name)
			assert.InDelta(t, c.want.Place.Longitude, got.Place.Longitude, 1e-9, name)
			got.Place = c.want.Place
		}
		assert.Equal(t, &c.want, got, name)
	}
}

// TestMetadataBounds: texts are cut at whole characters, keywords counted, nonsense left out.
func TestMetadataBounds(t *testing.T) {
	m := &Metadata{}
	long := &Metadata{Title: strings.Repeat("é", maxTitle), Place: &Place{91, 0}, Taken: time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)}
	for i := range 2 * maxKeywords {
		long.Keywords = append(long.Keywords, strings.Repeat("k", i))
	}
	m.merge(long)
	assert.Equal(t, strings.Repeat("é", maxTitle/2), m.Title)
	assert.LessOrEqual(t, len(m.Keywords), maxKeywords)
	assert.Nil(t, m.Place)
	assert.Zero(t, m.Taken)
	deep := strings.Repeat("<a>", 1_000_000)
	assert.Equal(t, &Metadata{}, parseXMP([]byte(deep)))
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(samplePacket), uint8(0))
	f.Add(photoshop(sampleIPTC()), uint8(1))
	f.Add(sampleExif(), uint8(2))
	f.Add(exifBlock(binary.BigEndian, 6), uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, kind uint8) {
		m := &Metadata{}
		switch kind % 3 {
		case 0:
			m.merge(parseXMP(data))
		case 1:
			m.merge(parseIPTC(photoshopIPTC(data)))
			m.merge(parseIPTC(data))
		case 2:
			b, dirs := readTIFF(bytes.NewReader(data), int64(len(data)))
			m.fromTIFF(b, dirs)
			exifOrientation(data)
			previews(b, dirs)
			isRaw(b, dirs)
		}
		if len(m.Title) > maxTitle || len(m.Description) > maxDescription || len(m.Keywords) > maxKeywords {
			t.Fatal("longer than it may be")
		}
		if m.Place != nil && !m.Place.valid() {
			t.Fatal(m.Place)
		}
	})
}
