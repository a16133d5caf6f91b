package weaviate

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/elem"
)

// The messages of weaviate.v1 that are spoken here, and of each the fields that are needed: numbers are those of the
// public .proto files. Replies are views of what was read; fields that are not known are passed over.

// Levels of consistency.
const (
	one    = 1
	quorum = 2
)

func appendBytes(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

func appendText(b []byte, field protowire.Number, v string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), v)
}

func appendInt(b []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

// searchRequest asks for objects: by a vector, by a filter, or those after one in the order of their UUIDs.
type searchRequest struct {
	class      string
	properties []string
	limit      int
	after      string
	filter     *condition // nil: all
	vector     []float32  // nil: none
}

func (r *searchRequest) encode() []byte {
	var props []byte
	for _, p := range r.properties {
		props = appendText(props, 1, p)
	}
	b := appendText(nil, 1, r.class)
	b = appendInt(b, 11, one)
	b = appendBytes(b, 20, props)
	b = appendBytes(b, 21, appendInt(nil, 1, 1)) // metadata: uuid
	b = appendInt(b, 30, uint64(r.limit))
	if r.after != "" {
		b = appendText(b, 33, r.after)
	}
	if r.filter != nil {
		b = appendBytes(b, 40, r.filter.encode())
	}
	if r.vector != nil {
		near := appendBytes(nil, 6, appendText(nil, 1, vectorName))
		b = appendBytes(b, 43, appendBytes(near, 9, encodeVector(r.vector)))
	}
	return appendInt(b, 102, 1) // properties as typed values
}

// encodeVector is a message Vectors.
func encodeVector(v []float32) []byte {
	b := appendText(nil, 1, vectorName)
	b = appendBytes(b, 3, elem.Bytes(v))
	return appendInt(b, 4, 1) // one vector of float32
}

// object is an object of a reply, or to be written.
type object struct {
	uuid   string
	vector []float32           // written only
	texts  map[string]string   // texts and blobs
	lists  map[string][]string // lists of texts
}

// encode is a message BatchObject.
func (o *object) encode(class string) []byte {
	var fields, props []byte
	for name, v := range o.texts {
		entry := appendBytes(appendText(nil, 1, name), 2, appendText(nil, 3, v)) // a Value with a string
		fields = appendBytes(fields, 1, entry)
	}
	props = appendBytes(props, 1, fields)
	for name, values := range o.lists {
		var list []byte
		for _, v := range values {
			list = appendText(list, 1, v)
		}
		if len(values) > 0 {
			props = appendBytes(props, 6, appendText(list, 2, name))
		}
	}
	b := appendText(nil, 1, o.uuid)
	b = appendBytes(b, 3, props)
	b = appendText(b, 4, class)
	if o.vector != nil {
		b = appendBytes(b, 23, encodeVector(o.vector))
	}
	return b
}

var errMessage = errors.New("a reply that is no message of the kind")

// fields calls f with each field of a message; number is that of a varint, else body is what is between.
func fields(b []byte, f func(field protowire.Number, body []byte, number uint64) error) error {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errMessage
		}
		b = b[n:]
		var body []byte
		var number uint64
		switch kind {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			body, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(field, kind, b)
		}
		if n < 0 {
			return errMessage
		}
		b = b[n:]
		if err := f(field, body, number); err != nil {
			return err
		}
	}
	return nil
}

// child returns the last field of a message with a number.
func child(b []byte, want protowire.Number) (out []byte, err error) {
	err = fields(b, func(field protowire.Number, body []byte, _ uint64) error {
		if field == want {
			out = body
		}
		return nil
	})
	return out, err
}

// result is an object as a search returned it: views of the reply.
type result struct {
	uuid                   []byte
	key, kind, codes, rest []byte
	tags                   []string
}

// text is where a property of texts goes; nil for one that is not known.
func (r *result) text(property []byte) *[]byte {
	switch string(property) {
	case propKey:
		return &r.key
	case propKind:
		return &r.kind
	case propCodes:
		return &r.codes
	case propRest:
		return &r.rest
	}
	return nil
}

// decodeResults reads a SearchReply of at most limit objects.
func decodeResults(b []byte, limit int) ([]result, error) {
	var out []result
	err := fields(b, func(field protowire.Number, body []byte, _ uint64) error {
		if field != 2 {
			return nil
		}
		if len(out) == limit {
			return fmt.Errorf("%w: more than the %d objects that were asked for", errMessage, limit)
		}
		var r result
		err := fields(body, func(field protowire.Number, body []byte, _ uint64) (err error) {
			switch field {
			case 1:
				return r.decodeProperties(body)
			case 2:
				r.uuid, err = child(body, 1)
			}
			return err
		})
		out = append(out, r)
		return err
	})
	return out, err
}

// decodeProperties reads a PropertiesResult.
func (r *result) decodeProperties(b []byte) error {
	props, err := child(b, 11)
	if err != nil {
		return err
	}
	return fields(props, func(field protowire.Number, entry []byte, _ uint64) error {
		if field != 1 {
			return nil
		}
		name, err := child(entry, 1)
		if err != nil {
			return err
		}
		value, err := child(entry, 2)
		if err != nil {
			return err
		}
		return fields(value, func(field protowire.Number, body []byte, _ uint64) error {
			switch field {
			case 10, 13: // blob, text
				if to := r.text(name); to != nil {
					*to = body
				}
			case 5:
				texts, err := child(body, 8)
				if err != nil {
					return err
				}
				return fields(texts, func(field protowire.Number, body []byte, _ uint64) error {
					if field == 1 {
						r.tags = append(r.tags, string(body))
					}
					return nil
				})
			}
			return nil
		})
	})
}

// batchRequest is a BatchObjectsRequest of encoded objects.
func batchRequest(objects [][]byte) []byte {
	n := 16
	for _, o := range objects {
		n += len(o) + 8
	}
	b := make([]byte, 0, n)
	for _, o := range objects {
		b = appendBytes(b, 1, o)
	}
	return appendInt(b, 2, quorum)
}

// decodeBatch reads which of n objects were not written, and why.
func decodeBatch(b []byte, n int) (map[int]string, error) {
	failed := map[int]string{}
	err := fields(b, func(field protowire.Number, body []byte, _ uint64) error {
		if field != 2 {
			return nil
		}
		at, why := uint64(0), ""
		err := fields(body, func(field protowire.Number, body []byte, number uint64) error {
			switch field {
			case 1:
				at = number
			case 2:
				why = brief(string(body))
			}
			return nil
		})
		if err == nil && at >= uint64(n) {
			err = fmt.Errorf("%w: object %d of %d", errMessage, at, n)
		}
		failed[int(at)] = why
		return err
	})
	return failed, err
}

// deleteRequest is a BatchDeleteRequest.
func deleteRequest(class string, what *condition) []byte {
	b := appendText(nil, 1, class)
	b = appendBytes(b, 2, what.encode())
	b = appendInt(b, 3, 1) // verbose
	return appendInt(b, 5, quorum)
}

// decodeDelete reads how many objects a filter matched, and why some were not deleted.
func decodeDelete(b []byte) (matches int, failed []string, err error) {
	err = fields(b, func(field protowire.Number, body []byte, number uint64) error {
		switch field {
		case 3:
			matches = int(min(number, 1<<31))
		case 5:
			var ok bool
			why := "not deleted"
			err := fields(body, func(field protowire.Number, body []byte, number uint64) error {
				switch field {
				case 2:
					ok = number != 0
				case 3:
					why = brief(string(body))
				}
				return nil
			})
			if err == nil && !ok {
				failed = append(failed, why)
			}
			return err
		}
		return nil
	})
	return matches, failed, err
}

// countRequest is an AggregateRequest for the number of objects that pass, by values of a property if that is given.
func countRequest(class string, filter *condition, by string, limit int) []byte {
	b := appendText(nil, 1, class)
	b = appendInt(b, 20, 1)
	if by != "" {
		b = appendBytes(b, 31, appendText(nil, 2, by))
		b = appendInt(b, 32, uint64(limit))
	}
	return appendBytes(b, 40, filter.encode())
}

// decodeCounts reads an AggregateReply: one count, or that of each group.
func decodeCounts(b []byte) (total int, groups []index.TagCount, err error) {
	err = fields(b, func(field protowire.Number, body []byte, _ uint64) error {
		switch field {
		case 2:
			return fields(body, func(field protowire.Number, _ []byte, number uint64) error {
				if field == 1 {
					total = int(min(number, 1<<62))
				}
				return nil
			})
		case 3:
			return fields(body, func(field protowire.Number, body []byte, _ uint64) error {
				if field != 1 {
					return nil
				}
				g := index.TagCount{}
				err := fields(body, func(field protowire.Number, body []byte, number uint64) error {
					switch field {
					case 1:
						g.Items = int(min(number, 1<<62))
					case 3:
						value, err := child(body, 2)
						g.Tag = string(value)
						return err
					}
					return nil
				})
				groups = append(groups, g)
				return err
			})
		}
		return nil
	})
	return total, groups, err
}
