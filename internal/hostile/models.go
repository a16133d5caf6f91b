package hostile

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// Checkpoints are files that claim to be of torch.save.
func Checkpoints() []Case {
	pickle := func(name string, p func() []byte) Case {
		return Case{"pickle " + name, func() []byte { return zipOf(entry{name: "archive/data.pkl", data: p(), store: true}) }}
	}
	const deep = 1 << 20
	storage := join([]byte("\x80\x02(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu\x8a\x08"), little64(1<<60), []byte("tQ."))
	return []Case{
		{"64 million Nones, deflated", func() []byte {
			return zipOf(entry{name: "archive/data.pkl", data: append(repeat("N", 64<<20), '.')})
		}},
		pickle("of a million lists in each other", func() []byte { return join(repeat("]", deep), repeat("a", deep-1), []byte(".")) }),
		pickle("of a million tuples around each other", func() []byte { return join([]byte("N"), repeat("\x85", deep), []byte(".")) }),
		pickle("whose string has 2⁶² bytes", func() []byte { return join([]byte("\x80\x04\x8e"), little64(1<<62), []byte(".")) }),
		pickle("whose number has 2³¹−1 bytes", func() []byte { return []byte("\x80\x02\x8b\xff\xff\xff\x7f.") }),
		pickle("with the memo's place 2³²−1", func() []byte { return []byte("Nr\xff\xff\xff\xff.") }),
		pickle("of lists that hold the one before twice", func() []byte {
			b := []byte("]q\x000")
			for i := range 200 {
				b = append(b, ']', 'q', byte(i+1), '(', 'h', byte(i), 'h', byte(i), 'e', '0')
			}
			return append(b, 'h', 200, '.')
		}),
		pickle("of a list in itself", func() []byte { return []byte("]q\x00h\x00a.") }),
		pickle("of marks", func() []byte { return append(repeat("(", 8*deep), '.') }),
		pickle("that calls a function", func() []byte { return []byte("cos\nsystem\n(X\x04\x00\x00\x00truetR.") }),
		pickle("of a storage of 2⁶⁰ numbers", func() []byte { return storage }),
		{"storage of 2⁶⁰ numbers, by the zip too", func() []byte {
			return zipOf(entry{name: "a/data.pkl", data: storage, store: true}, entry{name: "a/data/0", data: make([]byte, 100), claim: 1 << 62})
		}},
		{"zip that claims a pickle of 2⁶⁰ bytes", func() []byte {
			return zipOf(entry{name: "archive/data.pkl", data: []byte("N."), claim: 1 << 60})
		}},
		{"zip of 60,000 files", func() []byte {
			list := []entry{{name: "a/data.pkl", data: []byte("N."), store: true}}
			for i := range 60_000 {
				list = append(list, entry{name: fmt.Sprint("a/data/", i), store: true})
			}
			return zipOf(list...)
		}},
		{"old container of lists in each other", func() []byte {
			return join([]byte("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."), repeat("]", deep), repeat("a", deep-1), []byte("."))
		}},
		{"old container of 16 million marks", func() []byte {
			return join([]byte("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."), repeat("(", 16<<20))
		}},
	}
}

// Safetensors are files that claim to be of that kind.
func Safetensors() []Case {
	file := func(header []byte) []byte { return join(little64(uint64(len(header))), header) }
	return []Case{
		{"header of 2⁶³−1 bytes", func() []byte { return join(little64(1<<63-1), []byte("{}")) }},
		{"header of 30 MB of brackets", func() []byte { return file(repeat("[", 30<<20)) }},
		{"tensor of brackets", func() []byte {
			return file(join([]byte(`{"a":`), repeat(`{"a":`, 1<<20), repeat("}", 1<<20), []byte("}")))
		}},
		{"200,000 tensors without values", func() []byte {
			var b strings.Builder
			for i := range 200_000 {
				fmt.Fprintf(&b, `,"t%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`, i)
			}
			return file([]byte("{" + b.String()[1:] + "}"))
		}},
		{"shape that overflows", func() []byte {
			return file([]byte(`{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}}`))
		}},
		{"tensor of 2⁶⁰ numbers", func() []byte {
			return file([]byte(`{"a":{"dtype":"F32","shape":[1152921504606846976],"data_offsets":[0,4611686018427387904]}}`))
		}},
		{"tensors over each other", func() []byte {
			return append(file([]byte(`{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[8],"data_offsets":[4,12]}}`)), make([]byte, 12)...)
		}},
		{"shape of a million ones", func() []byte {
			return file([]byte(`{"a":{"dtype":"U8","shape":[1` + strings.Repeat(",1", 1<<20) + `],"data_offsets":[0,1]}}`))
		}},
	}
}

// Field numbers of onnx.proto3.
const (
	modelVersion, modelGraph, modelOpset, modelFunctions       = 1, 7, 8, 25
	graphNode, graphInit, graphInput, graphOutput, graphSparse = 1, 5, 11, 12, 15
	nodeInput, nodeOutput, nodeOp, nodeAttr                    = 1, 2, 4, 5
)

// tensorInfo is an input or output of float32.
func tensorInfo(name string) message {
	return message{}.text(1, name).bytes(2, message{}.bytes(1, message{}.number(1, 1)))
}

// graphOf is a model of these nodes and constants.
func graphOf(nodes []message, constants ...message) []byte {
	g := message{}.text(2, "g")
	for _, n := range nodes {
		g = g.bytes(graphNode, n)
	}
	for _, c := range constants {
		g = g.bytes(graphInit, c)
	}
	g = g.bytes(graphInput, tensorInfo("x")).bytes(graphOutput, tensorInfo("y"))
	return message{}.number(modelVersion, 8).bytes(modelGraph, g).bytes(modelOpset, message{}.number(2, 17))
}

func nodeOf(op string, in []string, attrs ...message) message {
	var n message
	for _, s := range in {
		n = n.text(nodeInput, s)
	}
	n = n.text(nodeOutput, "y").text(nodeOp, op)
	for _, a := range attrs {
		n = n.bytes(nodeAttr, a)
	}
	return n
}

// integers is a constant of these numbers.
func integers(name string, values ...int64) message {
	var raw []byte
	for _, v := range values {
		raw = append(raw, little64(uint64(v))...)
	}
	return message{}.number(1, uint64(len(values))).number(2, 7).text(8, name).bytes(9, raw)
}

func inner(g []byte) message { return message{}.text(1, "body").bytes(6, g).number(20, 5) }

// Graphs are models for ONNX Runtime.
func Graphs() []Case {
	floats := func(name string, dims ...uint64) (t message) {
		for _, d := range dims {
			t = t.number(1, d)
		}
		return t.number(2, 1).text(8, name)
	}
	outside := func(place string) message {
		return floats("w", 1<<28).bytes(13, message{}.text(1, "location").text(2, place)).number(14, 1)
	}
	add := nodeOf("Add", []string{"x", "w"})
	return []Case{
		{"loop of 2⁶⁰ rounds", func() []byte {
			body := message{}.text(2, "b").bytes(graphNode, message{}.text(nodeInput, "c").text(nodeOutput, "d").text(nodeOp, "Identity")).
				bytes(graphInput, tensorInfo("i")).bytes(graphInput, tensorInfo("c")).bytes(graphOutput, tensorInfo("d"))
			return graphOf([]message{nodeOf("Loop", []string{"n", "", "x"}, inner(body))}, integers("n", 1<<60))
		}},
		{"if in if, 10,000 deep", func() []byte {
			g := message{}.text(2, "g")
			for range 10_000 {
				g = message{}.text(2, "g").bytes(graphNode, nodeOf("If", []string{"x"}, inner(g)))
			}
			return graphOf([]message{nodeOf("If", []string{"x"}, inner(g))})
		}},
		{"constant of 3.2 GB", func() []byte {
			return graphOf([]message{nodeOf("ConstantOfShape", []string{"s"})}, integers("s", 800_000_000))
		}},
		{"expanded to 2⁶² numbers", func() []byte {
			return graphOf([]message{nodeOf("Expand", []string{"x", "s"})}, integers("s", 1<<31, 1<<31))
		}},
		{"functions that double", func() []byte {
			m := message(graphOf([]message{nodeOf("F0", []string{"x"})}))
			for i := range 60 {
				f := message{}.text(1, fmt.Sprint("F", i)).text(4, "x").text(5, "y")
				for range 2 {
					f = f.bytes(7, nodeOf(fmt.Sprint("F", i+1), []string{"x"}))
				}
				m = m.bytes(modelFunctions, f)
			}
			return m
		}},
		{"nodes of nothing", func() []byte {
			g := message(repeat(string(message{}.bytes(graphNode, nil)), 1<<20)).bytes(graphOutput, tensorInfo("y"))
			return message{}.number(modelVersion, 8).bytes(modelGraph, g)
		}},
		{"weights of 2⁶² numbers without values", func() []byte { return graphOf([]message{add}, floats("w", 1<<62)) }},
		{"weights whose size overflows", func() []byte { return graphOf([]message{add}, floats("w", 1<<32, 1<<32, 1<<32)) }},
		{"weights in another folder", func() []byte { return graphOf([]message{add}, outside("../../../../etc/passwd")) }},
		{"weights of a device", func() []byte { return graphOf([]message{add}, outside("/dev/zero")) }},
		{"weights in no file", func() []byte { return graphOf([]message{add}, outside("none")) }},
		{"sparse weights", func() []byte {
			g := message{}.text(2, "g").bytes(graphSparse, message{}.number(3, 1<<40)).bytes(graphNode, add).
				bytes(graphInput, tensorInfo("x")).bytes(graphOutput, tensorInfo("y"))
			return message{}.number(modelVersion, 8).bytes(modelGraph, g).bytes(modelOpset, message{}.number(2, 17))
		}},
		{"name of 32 MB", func() []byte { return graphOf([]message{nodeOf(strings.Repeat("A", 32<<20), []string{"x"})}) }},
		{"groups in groups", func() []byte {
			return repeat(string(protowire.AppendTag(nil, 99, protowire.StartGroupType)), 1<<20)
		}},
		{"bytes past the end", func() []byte { return []byte{0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f} }},
	}
}

// Arrays are files of NumPy's named arrays; every array in them is called a.
func Arrays() []Case {
	npy := func(descr, shape string) []byte {
		h := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }\n", descr, shape)
		return join([]byte("\x93NUMPY\x01\x00"), []byte{byte(len(h)), byte(len(h) >> 8)}, []byte(h))
	}
	one := func(name string, data func() []byte) Case {
		return Case{"array " + name, func() []byte { return zipOf(entry{name: "a.npy", data: data()}) }}
	}
	return []Case{
		one("of zeros that unpacks a thousandfold", func() []byte { return append(npy("|u1", "134217728,"), make([]byte, 128<<20)...) }),
		one("of 2⁶⁰ numbers", func() []byte { return npy("<f4", "1152921504606846976,") }),
		one("whose size overflows", func() []byte { return npy("<f8", "4294967296, 4294967296, 4") }),
		one("of 10,000 dimensions", func() []byte { return npy("<f8", strings.Repeat("1, ", 10_000)) }),
		one("with a header of 4 GB", func() []byte { return []byte("\x93NUMPY\x02\x00\xff\xff\xff\xff{") }),
		one("of objects", func() []byte { return npy("|O", "1,") }),
		one("of texts of 2³¹ characters", func() []byte { return npy("<U2147483647", "2147483647,") }),
		one("of nested brackets", func() []byte { return npy("<f4", strings.Repeat("(", 30_000)) }),
		{"zip that claims 2⁶² bytes", func() []byte {
			return zipOf(entry{name: "a.npy", data: npy("|u1", "4611686018427387000,"), claim: 1 << 62})
		}},
		{"not a zip", func() []byte { return repeat("PK\x05\x06", 1<<20) }},
	}
}
