package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// Metadata is what a photo's file says about the photo: in XMP, else in IPTC's older form, else in EXIF.
type Metadata struct {
	Title       string
	Description string
	Keywords    []string  // each once, in their order
	Taken       time.Time // in UTC where the file names no zone; zero if unknown
	Place       *Place
}

// A Place is where a photo was taken, in degrees.
type Place struct{ Latitude, Longitude float64 }

// Bounds of what is read, in bytes and numbers. Longer texts are cut.
const (
	maxTitle       = 1 << 10
	maxDescription = 64 << 10
	maxKeywords    = 1000
	maxPacket      = 1 << 20 // of XMP
)

// Metadata reads what the file says about its photo, as far as it makes sense.
func (f *File) Metadata() *Metadata {
	m := &Metadata{}
	if f.in == nil {
		return m
	}
	var exif []byte
	var xmp, iptc [][]byte
	switch f.Kind {
	case JPEG:
		exif = f.in.jpegExif()
		xmp, iptc = f.in.jpegPackets()
	case PNG:
		exif = f.in.pngExif()
		m.pngTexts(f.in)
	case WebP:
		exif = f.in.webpExif()
		for c := range f.in.riffChunks() {
			if c.name == "XMP " {
				xmp = append(xmp, f.in.packet(c))
			}
		}
	case TIFF, Raw:
		b, dirs := readTIFF(f.in, f.in.size)
		for i := range dirs {
			if e := dirs[i].find(tagXMP); e != nil {
				xmp = append(xmp, e.value)
			}
			if e := dirs[i].find(tagIPTC); e != nil {
				iptc = append(iptc, e.value)
			}
		}
		defer m.fromTIFF(b, dirs)
	}
	for _, p := range xmp {
		m.merge(parseXMP(p))
	}
	for _, p := range iptc {
		m.merge(parseIPTC(p))
	}
	if exif != nil {
		b, dirs := readTIFF(bytes.NewReader(exif), int64(len(exif)))
		m.fromTIFF(b, dirs)
	}
	return m
}

// packet is a part of the file that holds XMP, if it is not too long.
func (in *input) packet(s segment) []byte {
	if s.n > maxPacket {
		return nil
	}
	b, _ := in.part(s.at, s.n)
	return b
}

// jpegPackets are the XMP and the IPTC in a JPEG.
func (in *input) jpegPackets() (xmp, iptc [][]byte) {
	const app1, app13, most = 0xe1, 0xed, 16
	for s := range in.jpegSegments() {
		if s.marker != app1 && s.marker != app13 || len(xmp) > most || len(iptc) > most {
			continue
		}
		b, _ := in.part(s.at, s.n)
		if p, ok := bytes.CutPrefix(b, []byte("http://ns.adobe.com/xap/1.0/\x00")); ok {
			xmp = append(xmp, p)
		}
		if p, ok := bytes.CutPrefix(b, []byte("Photoshop 3.0\x00")); ok {
			iptc = append(iptc, photoshopIPTC(p))
		}
	}
	return xmp, iptc
}

// pngTexts reads the text chunks of a PNG.
func (m *Metadata) pngTexts(in *input) {
	n := 0
	for c := range in.pngChunks() {
		if c.name != "tEXt" && c.name != "iTXt" || c.n > maxPacket {
			continue
		}
		if n++; n > 64 {
			return
		}
		b, _ := in.part(c.at, c.n)
		keyword, text, ok := bytes.Cut(b, []byte{0})
		if ok && c.name == "iTXt" {
			text, ok = internationalText(text)
		}
		if !ok {
			continue
		}
		switch string(keyword) {
		case "XML:com.adobe.xmp":
			m.merge(parseXMP(text))
		case "Title":
			m.merge(&Metadata{Title: clean(string(text))})
		case "Description":
			m.merge(&Metadata{Description: clean(string(text))})
		}
	}
}

// internationalText is what follows the keyword of an iTXt chunk.
func internationalText(b []byte) ([]byte, bool) {
	if len(b) < 2 {
		return nil, false
	}
	compressed := b[0] == 1
	_, b, _ = bytes.Cut(b[2:], []byte{0}) // language
	_, b, ok := bytes.Cut(b, []byte{0})   // translated keyword
	if !ok || !compressed {
		return b, ok
	}
	z, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, false
	}
	defer z.Close()
	text, err := io.ReadAll(io.LimitReader(z, maxPacket))
	return text, err == nil
}

// merge takes from o what m does not know.
func (m *Metadata) merge(o *Metadata) {
	if m.Title == "" {
		m.Title = cut(o.Title, maxTitle)
	}
	if m.Description == "" {
		m.Description = cut(o.Description, maxDescription)
	}
	for _, k := range o.Keywords {
		if k = cut(k, maxTitle); k != "" && len(m.Keywords) < maxKeywords && !slices.Contains(m.Keywords, k) {
			m.Keywords = append(m.Keywords, k)
		}
	}
	if m.Taken.IsZero() && o.Taken.Year() >= 1800 && o.Taken.Year() < 3000 {
		m.Taken = o.Taken
	}
	if m.Place == nil && o.Place != nil && o.Place.valid() {
		m.Place = o.Place
	}
}

// cut shortens a text to whole characters in n bytes.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func (p *Place) valid() bool {
	return math.Abs(p.Latitude) <= 90 && math.Abs(p.Longitude) <= 180 && (p.Latitude != 0 || p.Longitude != 0)
}

// Tags that Windows writes, as UTF-16.
const (
	tagXPTitle    = 0x9c9b
	tagXPComment  = 0x9c9c
	tagXPKeywords = 0x9c9e
	tagXPSubject  = 0x9c9f
)

// saysNothing are descriptions that cameras write into every photo.
var saysNothing = []string{"OLYMPUS DIGITAL CAMERA", "SONY DSC", "SAMSUNG", "KODAK Digital Still Camera", "MINOLTA DIGITAL CAMERA", "DCIM", "untitled", "Default", "Camera", "Screenshot"}

// fromTIFF reads the directories of a TIFF file or an EXIF block.
func (m *Metadata) fromTIFF(b *tiffBlock, dirs []directory) {
	o := &Metadata{}
	if len(dirs) == 0 {
		return
	}
	main := &dirs[0]
	o.Title = main.find(tagXPTitle).wideText()
	for _, s := range []string{main.find(tagDescription).text(), main.find(tagXPSubject).wideText(), main.find(tagXPComment).wideText()} {
		if o.Description == "" && !slices.ContainsFunc(saysNothing, func(n string) bool { return strings.EqualFold(n, s) }) {
			o.Description = s
		}
	}
	for k := range strings.SplitSeq(main.find(tagXPKeywords).wideText(), ";") {
		o.Keywords = append(o.Keywords, strings.TrimSpace(k))
	}
	for i := range dirs {
		d := &dirs[i]
		switch d.group {
		case tagExifIFD:
			o.Taken = exifTime(d.find(tagOriginalTime).text(), d.find(tagTimeOffset).text())
		case tagGPSIFD:
			const latitudeRef, latitude, longitudeRef, longitude = 1, 2, 3, 4
			p := &Place{degrees(b, d.find(latitude)), degrees(b, d.find(longitude))}
			if strings.EqualFold(d.find(latitudeRef).text(), "S") {
				p.Latitude = -p.Latitude
			}
			if strings.EqualFold(d.find(longitudeRef).text(), "W") {
				p.Longitude = -p.Longitude
			}
			o.Place = p
		}
	}
	if o.Taken.IsZero() {
		o.Taken = exifTime(main.find(tagDateTime).text(), "")
	}
	m.merge(o)
}

// degrees are given as degrees, minutes and seconds.
func degrees(b *tiffBlock, e *entry) float64 {
	d, m, s := e.rational(b.order, 0), e.rational(b.order, 1), e.rational(b.order, 2)
	if math.IsNaN(m) {
		m = 0
	}
	if math.IsNaN(s) {
		s = 0
	}
	return d + m/60 + s/3600
}

// exifTime is a date as EXIF writes it, with the offset from UTC if it has one.
func exifTime(s, offset string) time.Time {
	t, err := time.Parse("2006:01:02 15:04:05-07:00", s+offset)
	if err != nil {
		t, _ = time.Parse("2006:01:02 15:04:05", s)
	}
	return t
}

// wideText is a string of UTF-16 in bytes, as Windows writes it.
func (e *entry) wideText() string {
	if e == nil || e.kind != 1 {
		return ""
	}
	var u []uint16
	for i := 0; i+1 < len(e.value); i += 2 {
		v := binary.LittleEndian.Uint16(e.value[i:])
		if v == 0 {
			break
		}
		u = append(u, v)
	}
	return clean(string(utf16.Decode(u)))
}
