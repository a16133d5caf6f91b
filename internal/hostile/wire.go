package hostile

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
)

// An entry is a file of a zip; claim, where it is not 0, is the size that the zip states in place of the right one.
type entry struct {
	name  string
	data  []byte
	store bool
	claim uint64
}

func zipOf(entries ...entry) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		if e.store {
			h.Method = zip.Store
		}
		if e.claim == 0 {
			w, err := z.CreateHeader(h)
			must(err)
			_, err = w.Write(e.data)
			must(err)
			continue
		}
		h.UncompressedSize64, h.CompressedSize64 = e.claim, uint64(len(e.data))
		w, err := z.CreateRaw(h)
		must(err)
		_, err = w.Write(e.data)
		must(err)
	}
	must(z.Close())
	return b.Bytes()
}

func gzipOf(data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(data)
	must(err)
	must(z.Close())
	return b.Bytes()
}

// must is for writers into memory, which do not fail.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// A message is a protobuf message being written.
type message []byte

func (m message) number(field protowire.Number, v uint64) message {
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), v)
}

func (m message) bytes(field protowire.Number, b []byte) message {
	return protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), b)
}

func (m message) text(field protowire.Number, s string) message { return m.bytes(field, []byte(s)) }

func little64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func repeat(s string, n int) []byte { return bytes.Repeat([]byte(s), n) }
