package ort

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"google.golang.org/protobuf/encoding/protowire"
)

// int64s is an initializer of integers.
func int64s(name string, values ...int64) []byte {
	var raw []byte
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	b := num(num(nil, 1, uint64(len(values))), 2, elemInt64)
	return msg(str(b, tensorName, name), tensorRaw, raw)
}

func TestRefused(t *testing.T) {
	x, y := []value{{"x", elemFloat32, []any{"n"}}}, []value{{"y", elemFloat32, nil}}
	graph := msg(str(nil, 1, "body"), attrGraph, str(nil, 2, "body"))
	one := func(n node, more ...[]byte) []byte { return buildModel([]node{n}, x, y, more...) }
	packed := msg(str(nil, 1, "shape"), attrInts, protowire.AppendVarint(protowire.AppendVarint(nil, 1<<20), 1<<20))
	outside := func(place string) []byte {
		return one(node{op: "Identity", in: []string{"x"}, out: []string{"y"}}, weight("w", place, nil, 3))
	}
	for name, c := range map[string]struct {
		model []byte
		want  string // "": it passes
	}{
		"plain":                          {addModel(), ""},
		"loop":                           {one(node{op: "Loop", in: []string{"n", "c", "x"}, out: []string{"y"}, attrs: [][]byte{graph}}), `"Loop" is a graph within the graph`},
		"function":                       {msg(addModel(), modelFunctions, str(nil, 1, "f")), "functions"},
		"sparse":                         {msg(addModel(), modelGraph, msg(nil, graphSparse, nil)), "sparse"},
		"constant of a shape":            {one(node{op: "ConstantOfShape", in: []string{"s"}, out: []string{"y"}}, int64s("s", 800_000_000)), "800000000"},
		"small constant":                 {one(node{op: "ConstantOfShape", in: []string{"s"}, out: []string{"y"}}, int64s("s", 800, -1, 0)), ""},
		"expanded":                       {one(node{op: "Expand", in: []string{"x", "s"}, out: []string{"y"}}, int64s("s", 1<<40, 1<<40, 1)), "Expand"},
		"expanded in place of the shape": {one(node{op: "Expand", in: []string{"s", "x"}, out: []string{"y"}}, int64s("s", 1<<40)), ""},
		"random":                         {one(node{op: "RandomNormal", out: []string{"y"}, attrs: [][]byte{packed}}), "RandomNormal"},
		"shape of a node": {buildModel([]node{
			{op: "Constant", out: []string{"s"}, attrs: [][]byte{msg(str(nil, 1, "value"), attrTensor, int64s("", 1<<40))}},
			{op: "ConstantOfShape", in: []string{"s"}, out: []string{"y"}}}, x, y), "ConstantOfShape"},
		"values beside it":  {outside("weights.bin"), ""},
		"values above it":   {outside("../weights.bin"), "outside the model's folder"},
		"values at a place": {outside("/etc/passwd"), "outside the model's folder"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := scanModel(bytes.NewReader(c.model), int64(len(c.model)), false)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrRefused)
			require.ErrorIs(t, err, ErrModel)
			assert.ErrorContains(t, err, c.want)
		})
	}

	foreign := buildModel(nil, x, y)
	foreign = msg(foreign, modelGraph, msg(nil, graphNode, str(str(nil, nodeOp, "Run"), nodeDomain, "example.org")))
	_, _, err := scanModel(bytes.NewReader(foreign), int64(len(foreign)), true)
	require.ErrorContains(t, err, `"Run" of "example.org"`)

	loop := one(node{op: "Loop", in: []string{"n", "c", "x"}, out: []string{"y"}, attrs: [][]byte{graph}})
	_, _, err = scanModel(bytes.NewReader(loop), int64(len(loop)), true)
	require.NoError(t, err)
}
