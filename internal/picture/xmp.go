package picture

import (
	"bytes"
	"encoding/xml"
	"math"
	"strconv"
	"strings"
	"time"
)

// Namespaces of the properties that are read.
const (
	nsRDF       = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
	nsDC        = "http://purl.org/dc/elements/1.1/"
	nsXMP       = "http://ns.adobe.com/xap/1.0/"
	nsPhotoshop = "http://ns.adobe.com/photoshop/1.0/"
	nsEXIF      = "http://ns.adobe.com/exif/1.0/"
	nsXML       = "http://www.w3.org/XML/1998/namespace"
)

// Bounds of a packet's XML.
const (
	maxDepth  = 64
	maxTokens = 100_000
)

// parseXMP reads a packet, as far as it is well formed.
func parseXMP(packet []byte) *Metadata {
	x := &xmpReader{values: map[xml.Name]string{}}
	d := xml.NewDecoder(bytes.NewReader(packet[:min(len(packet), maxPacket)]))
	d.Strict = false
	for range maxTokens {
		token, err := d.RawToken()
		if err != nil {
			break
		}
		switch t := token.(type) {
		case xml.StartElement:
			x.open(t)
		case xml.EndElement:
			x.close()
		case xml.CharData:
			if x.text.Len()+len(t) <= maxDescription {
				x.text.Write(t)
			}
		}
		if len(x.stack) > maxDepth {
			break
		}
	}
	m := &Metadata{
		Title: x.title, Description: x.description, Keywords: x.keywords,
	}
	if m.Title == "" {
		m.Title = clean(x.values[xml.Name{Space: nsPhotoshop, Local: "Headline"}])
	}
	for _, name := range []xml.Name{{Space: nsEXIF, Local: "DateTimeOriginal"}, {Space: nsPhotoshop, Local: "DateCreated"}, {Space: nsXMP, Local: "CreateDate"}} {
		if m.Taken.IsZero() {
			m.Taken = xmpTime(x.values[name])
		}
	}
	latitude, longitude := xmpDegrees(x.values[xml.Name{Space: nsEXIF, Local: "GPSLatitude"}]), xmpDegrees(x.values[xml.Name{Space: nsEXIF, Local: "GPSLongitude"}])
	if !math.IsNaN(latitude) && !math.IsNaN(longitude) {
		m.Place = &Place{latitude, longitude}
	}
	return m
}

// An xmpReader follows the elements of a packet. Names are resolved here, since the decoder would look for
// errors that do not matter.
type xmpReader struct {
	stack  []xmpElement
	text   strings.Builder
	values map[xml.Name]string // of simple properties

	title, description string
	keywords           []string
	defaults           [2]bool // title and description are those of the default language
}

type xmpElement struct {
	name     xml.Name
	prefixes map[string]string // declared here
	language string
}

func (x *xmpReader) resolve(n xml.Name, prefixes map[string]string) xml.Name {
	if n.Space == "xml" {
		return xml.Name{Space: nsXML, Local: n.Local}
	}
	if uri, ok := prefixes[n.Space]; ok {
		return xml.Name{Space: uri, Local: n.Local}
	}
	for i := len(x.stack) - 1; i >= 0; i-- {
		if uri, ok := x.stack[i].prefixes[n.Space]; ok {
			return xml.Name{Space: uri, Local: n.Local}
		}
	}
	return n
}

func (x *xmpReader) open(t xml.StartElement) {
	e := xmpElement{}
	for _, a := range t.Attr {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			if e.prefixes == nil {
				e.prefixes = map[string]string{}
			}
			prefix := a.Name.Local
			if a.Name.Space == "" {
				prefix = ""
			}
			e.prefixes[prefix] = a.Value
		}
	}
	e.name = x.resolve(t.Name, e.prefixes)
	for _, a := range t.Attr {
		switch n := x.resolve(a.Name, e.prefixes); n {
		case xml.Name{Space: nsXML, Local: "lang"}:
			e.language = a.Value
		default:
			x.value(n, a.Value)
		}
	}
	x.stack = append(x.stack, e)
	x.text.Reset()
}

// value keeps a simple property.
func (x *xmpReader) value(n xml.Name, s string) {
	switch n.Space {
	case nsPhotoshop, nsEXIF, nsXMP:
		if s = strings.TrimSpace(s); s != "" && len(x.values) < 256 {
			x.values[n] = s
		}
	case nsDC: // as old programs write it
		x.property(n, "", s)
	}
}

// property keeps a title, a description or a keyword.
func (x *xmpReader) property(n xml.Name, language, s string) {
	if n.Space != nsDC {
		return
	}
	s = clean(s)
	if s == "" {
		return
	}
	set := func(k int, to *string) {
		if isDefault := language == "x-default"; *to == "" || isDefault && !x.defaults[k] {
			*to, x.defaults[k] = s, isDefault
		}
	}
	switch n.Local {
	case "title":
		set(0, &x.title)
	case "description":
		set(1, &x.description)
	case "subject":
		if len(x.keywords) < maxKeywords {
			x.keywords = append(x.keywords, s)
		}
	}
}

func (x *xmpReader) close() {
	n := len(x.stack)
	if n == 0 {
		return
	}
	e := x.stack[n-1]
	x.stack = x.stack[:n-1]
	text := x.text.String()
	x.text.Reset()
	switch {
	case e.name == xml.Name{Space: nsRDF, Local: "li"}:
		if n >= 3 { // below a list below the property
			x.property(x.stack[n-3].name, e.language, text)
		}
	case strings.TrimSpace(text) != "":
		x.value(e.name, text)
	}
}

// xmpTime is a date of ISO 8601, with as much of it as is known.
func xmpTime(s string) time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02", "2006-01", "2006"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	return time.Time{}
}

// xmpDegrees are written as "48,12.5N" or "48,12,30N".
func xmpDegrees(s string) float64 {
	if s == "" {
		return math.NaN()
	}
	sign := 1.0
	switch s[len(s)-1] {
	case 'S', 'W', 's', 'w':
		sign = -1
	}
	var out float64
	unit := 1.0
	for i, part := range strings.Split(strings.TrimRight(s, "NSEWnsew"), ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil || i > 2 || v < 0 && i > 0 {
			return math.NaN()
		}
		out += v / unit
		unit *= 60
	}
	return sign * out
}
