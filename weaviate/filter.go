package weaviate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aladin-go/aladin/index"
)

// Operators of Filters.
const (
	opEqual       = 1
	opAnd         = 7
	opOr          = 8
	opContainsAny = 12
	opNot         = 15
)

// maxConditions bounds the parts of a filter, and maxDepth how deep they lie in each other: the engine reads them by recursion.
const (
	maxConditions = 10_000
	maxDepth      = 100
)

// condition is a filter of the engine. The nil condition passes all; nothing passes none.
type condition struct {
	op       int
	args     []*condition
	property string
	value    string
	values   []string // of opContainsAny
}

var none = &condition{}

func equal(property, value string) *condition {
	return &condition{op: opEqual, property: property, value: value}
}

func anyOf(property string, values []string) *condition {
	if len(values) == 0 {
		return none
	}
	return &condition{op: opContainsAny, property: property, values: values}
}

func and(args ...*condition) *condition {
	args = slices.DeleteFunc(slices.Clone(args), func(c *condition) bool { return c == nil })
	switch {
	case slices.Contains(args, none):
		return none
	case len(args) == 0:
		return nil
	case len(args) == 1:
		return args[0]
	}
	return &condition{op: opAnd, args: args}
}

func or(args ...*condition) *condition {
	if slices.Contains(args, nil) {
		return nil
	}
	args = slices.DeleteFunc(slices.Clone(args), func(c *condition) bool { return c == none })
	switch len(args) {
	case 0:
		return none
	case 1:
		return args[0]
	}
	return &condition{op: opOr, args: args}
}

func not(c *condition) *condition {
	switch c {
	case nil:
		return none
	case none:
		return nil
	}
	return &condition{op: opNot, args: []*condition{c}}
}

// size counts the parts of a condition and how deep they lie in each other.
func (c *condition) size() (parts, depth int) {
	if c == nil {
		return 0, 0
	}
	parts = 1 + len(c.values)
	for _, a := range c.args {
		n, d := a.size()
		parts, depth = parts+n, max(depth, d)
	}
	return parts, depth + 1
}

// encode is a message Filters.
func (c *condition) encode() []byte {
	b := appendInt(nil, 1, uint64(c.op))
	for _, a := range c.args {
		b = appendBytes(b, 3, a.encode())
	}
	switch c.op {
	case opEqual:
		b = appendText(b, 4, c.value)
	case opContainsAny:
		var list []byte
		for _, v := range c.values {
			list = appendText(list, 1, v)
		}
		b = appendBytes(b, 9, list)
	}
	if c.property != "" {
		b = appendBytes(b, 20, appendText(nil, 1, c.property))
	}
	return b
}

// translate makes the filters of a search one condition that passes the same items, or tells what is beyond the engine.
func translate(o *index.SearchOptions) (*condition, error) {
	c := items
	if o.Kinds != nil {
		var kinds []string
		for _, k := range o.Kinds {
			kinds = append(kinds, k.String())
		}
		c = and(c, anyOf(propKind, kinds))
	}
	c = and(c, index.TranslateFilter(o.Tags, index.FilterForms[*condition]{
		Tag: func(tag string) *condition { return equal(propTags, encodeTag(tag)) },
		And: func(args []*condition) *condition { return and(args...) },
		Or:  func(args []*condition) *condition { return or(args...) },
		Not: not,
	}))
	if o.IDs != nil {
		c = and(c, anyOf(propUUID, uuids(o.IDs)))
	}
	if len(o.Exclude) > 0 {
		c = and(c, not(anyOf(propUUID, uuids(o.Exclude))))
	}
	if parts, depth := c.size(); parts > maxConditions || depth > maxDepth {
		return nil, fmt.Errorf("%w filter: %d parts, %d deep; the engine takes %d, %d deep", index.ErrInvalid, parts, depth, maxConditions, maxDepth)
	}
	return c, nil
}

func uuids(ids []string) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = itemUUID(id)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// encodeTag is a tag as it is stored: itself, unless the engine would take it for another one, or could not keep it.
// Then it is quoted as in Go.
func encodeTag(tag string) string {
	odd := strings.TrimFunc(tag, unicode.IsSpace) != tag || strings.HasPrefix(tag, `"`) || strings.ContainsFunc(tag, unicode.IsControl)
	if !odd && tag != "" && utf8.ValidString(tag) {
		return tag
	}
	return strconv.QuoteToASCII(tag)
}

func decodeTag(s string) string {
	if strings.HasPrefix(s, `"`) {
		if tag, err := strconv.Unquote(s); err == nil {
			return tag
		}
	}
	return s
}
