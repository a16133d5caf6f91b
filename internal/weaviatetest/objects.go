package weaviatetest

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// object is what is stored.
type object struct {
	uuid   string
	vector []float32
	texts  map[string]string
	lists  map[string][]string
}

func (c *Cluster) of(r *request, field protowire.Number) (*class, error) {
	if k := c.classes[r.text(field)]; k != nil {
		return k, nil
	}
	return nil, fmt.Errorf("could not find class %s in schema", r.text(field))
}

func vectorOf(r *request) []float32 {
	b := r.text(3)
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32([]byte(b[4*i:])))
	}
	return v
}

func (c *Cluster) batch(r *request, f *Fault) (reply []byte, err error) {
	for i, b := range r.parts[1] {
		o := parse(b)
		k, err := c.of(o, 4)
		if err != nil {
			return nil, err
		}
		if i < f.FailIDs {
			reply = part(reply, 2, text(number(nil, 1, uint64(i)), 2, "cannot reach replica"))
			continue
		}
		obj := &object{uuid: o.text(1), texts: map[string]string{}, lists: map[string][]string{}}
		if o.has(23) {
			obj.vector = vectorOf(o.message(23))
		}
		props := o.message(3)
		for _, b := range props.message(1).parts[1] {
			entry := parse(b)
			obj.texts[entry.text(1)] = entry.message(2).text(3)
		}
		for _, b := range props.parts[6] {
			list := parse(b)
			obj.lists[list.text(2)] = list.texts(1)
		}
		for _, blob := range []string{"codes", "rest"} {
			if _, err := base64.StdEncoding.DecodeString(obj.texts[blob]); err != nil {
				return nil, fmt.Errorf("invalid blob %s", blob)
			}
		}
		k.objects[obj.uuid] = obj
	}
	return reply, nil
}

// passes evaluates a message Filters, with texts compared as field tokenisation does.
func (o *object) passes(f *request) bool {
	prop := f.message(20).text(1)
	values := append([]string{o.texts[prop]}, o.lists[prop]...)
	if prop == "_id" {
		values = []string{o.uuid}
	}
	has := func(want string) bool {
		return slices.ContainsFunc(values, func(v string) bool { return v != "" && strings.TrimSpace(v) == strings.TrimSpace(want) })
	}
	var args []bool
	for _, a := range f.parts[3] {
		args = append(args, o.passes(parse(a)))
	}
	switch op := f.numbers[1]; op {
	case 1:
		return has(f.text(4))
	case 7:
		return !slices.Contains(args, false)
	case 8:
		return slices.Contains(args, true)
	case 12:
		return slices.ContainsFunc(f.message(9).texts(1), has)
	case 15:
		return !args[0]
	default:
		panic(fmt.Sprintf("operator %d of a filter", op))
	}
}

// passing are the objects of a class that pass the filter in a field, in the order of their UUIDs.
func (k *class) passing(r *request, field protowire.Number) (out []*object) {
	filter := r.message(field)
	for _, id := range slices.Sorted(maps.Keys(k.objects)) {
		if o := k.objects[id]; !r.has(field) || o.passes(filter) {
			out = append(out, o)
		}
	}
	return out
}

func (c *Cluster) search(r *request, _ *Fault) (reply []byte, err error) {
	k, err := c.of(r, 1)
	if err != nil {
		return nil, err
	}
	found := k.passing(r, 40)
	if r.has(43) {
		q := vectorOf(r.message(43).message(9))
		found = slices.DeleteFunc(found, func(o *object) bool { return o.vector == nil })
		score := map[*object]float64{}
		for _, o := range found {
			if len(o.vector) != len(q) {
				return nil, fmt.Errorf("vector lengths don't match: %d vs %d", len(o.vector), len(q))
			}
			for i, v := range o.vector {
				score[o] += float64(v) * float64(q[i])
			}
		}
		slices.SortStableFunc(found, func(a, b *object) int { return cmp.Compare(score[b], score[a]) })
	}
	if after := r.text(33); after != "" {
		found = slices.DeleteFunc(found, func(o *object) bool { return o.uuid <= after })
	}
	for _, o := range found[:min(len(found), int(r.numbers[30]))] {
		var props []byte
		for _, name := range r.message(20).texts(1) {
			var value []byte
			switch list, ok := o.lists[name]; {
			case ok:
				var texts []byte
				for _, v := range list {
					texts = text(texts, 1, v)
				}
				value = part(nil, 5, part(nil, 8, texts))
			case name == "codes" || name == "rest":
				value = text(nil, 10, o.texts[name])
			default:
				value = text(nil, 13, o.texts[name])
			}
			props = part(props, 1, part(text(nil, 1, name), 2, value))
		}
		reply = part(reply, 2, part(part(nil, 1, part(nil, 11, props)), 2, text(nil, 1, o.uuid)))
	}
	return reply, nil
}

func (c *Cluster) remove(r *request, _ *Fault) (reply []byte, err error) {
	k, err := c.of(r, 1)
	if err != nil {
		return nil, err
	}
	found := k.passing(r, 2)
	for _, o := range found {
		delete(k.objects, o.uuid)
		reply = part(reply, 5, number(nil, 2, 1))
	}
	return number(reply, 3, uint64(len(found))), nil
}

func (c *Cluster) aggregate(r *request, _ *Fault) ([]byte, error) {
	k, err := c.of(r, 1)
	if err != nil {
		return nil, err
	}
	found := k.passing(r, 40)
	if !r.has(31) {
		return part(nil, 2, number(nil, 1, uint64(len(found)))), nil
	}
	counts := map[string]int{}
	for _, o := range found {
		for _, v := range o.lists[r.message(31).text(2)] {
			counts[v]++
		}
	}
	var groups []byte
	for v, n := range counts {
		groups = part(groups, 1, part(number(nil, 1, uint64(n)), 3, text(nil, 2, v)))
	}
	return part(nil, 3, groups), nil
}

func part(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

func text(b []byte, field protowire.Number, v string) []byte { return part(b, field, []byte(v)) }

func number(b []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}
