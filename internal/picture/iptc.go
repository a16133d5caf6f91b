package picture

import (
	"encoding/binary"
	"time"
)

// photoshopIPTC finds the IPTC block among the resources that Photoshop writes.
func photoshopIPTC(b []byte) []byte {
	const signature, iptc = "8BIM", 0x0404
	for len(b) >= 12 && string(b[:4]) == signature {
		id := binary.BigEndian.Uint16(b[4:])
		name := int(b[6]) + 1
		at := 6 + name + name&1
		if at+4 > len(b) {
			return nil
		}
		n := int64(binary.BigEndian.Uint32(b[at:]))
		at += 4
		if n > int64(len(b)-at) {
			return nil
		}
		if id == iptc {
			return b[at : at+int(n)]
		}
		b = b[min(at+int(n+n&1), len(b)):]
	}
	return nil
}

// parseIPTC reads the records of IPTC's Information Interchange Model, as far as they are whole.
func parseIPTC(b []byte) *Metadata {
	m := &Metadata{}
	var headline, date, clock string
	for len(b) >= 5 && b[0] == 0x1c {
		record, set, n := b[1], b[2], int(binary.BigEndian.Uint16(b[3:]))
		if n > len(b)-5 { // or an extended length, which no photo needs
			break
		}
		value := b[5 : 5+n]
		b = b[5+n:]
		if record != 2 {
			continue
		}
		switch text := clean(string(value)); set {
		case 5:
			m.Title = text
		case 25:
			if len(m.Keywords) < maxKeywords {
				m.Keywords = append(m.Keywords, text)
			}
		case 55:
			date = text
		case 60:
			clock = text
		case 105:
			headline = text
		case 120:
			m.Description = text
		}
	}
	if m.Title == "" {
		m.Title = headline
	}
	for _, layout := range []string{"20060102150405-0700", "20060102150405", "20060102"} {
		s := date
		if layout != "20060102" {
			s += clock
		}
		if t, err := time.Parse(layout, s); err == nil {
			m.Taken = t
			break
		}
	}
	return m
}
