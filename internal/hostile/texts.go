package hostile

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
)

// Texts are captions, as long as captions may be.
func Texts() []Case {
	text := func(name, part string, n int) Case {
		return Case{name, func() []byte { return repeat(part, n/len(part)) }}
	}
	const large = 1 << 16 // what a model takes as a text
	return []Case{
		text("one word", "a", large), text("words", "a ", large), text("signs", "!", large), text("marks on one letter", "\u0301", large),
		text("marks out of order", "a\u0323\u0307\u0345\u0301", large), text("joined faces", "👩\u200d", large), text("tokens' names", "[CLS][MASK]", large),
		text("CLIP's tokens' names", "<|endoftext|>", large), text("no UTF-8", "\xff\xfe", large), text("halves of letters", "\xe4\xb8", large),
		text("zeros", "\x00", large), text("blanks", " \u2003\t", large), text("dotted capitals", "İ", large), text("Chinese", "狗", large),
		text("a letter of eighteen", "\ufdfa", large), text("Korean parts", "\u1112\u1161\u11ab", large), text("entities", "&amp;", large),
		{"entities of entities", func() []byte { return append(append([]byte("&"), repeat("amp;", large/4)...), "lt;"...) }},
		text("open entities", "&#", large), text("twice encoded", "Ã\u0083Â\u0083", large), text("directions", "\u202e\u202d", large),
		text("digits", "0123456789", large), text("apostrophes", "'s", large), text("HTML", "<b>", large), text("lines", "\r\n", large),
	}
}

// Vocabularies are of WordPiece: one piece a line.
func Vocabularies() []Case {
	return []Case{
		{"a line twice", func() []byte { return []byte("[UNK]\n[PAD]\n[CLS]\n[SEP]\na\nb\na\n") }},
		{"a line of 65 MB", func() []byte { return append([]byte("[UNK]\n"), repeat("a", 65<<20)...) }},
		{"a line of 4 MB", func() []byte { return append([]byte("[UNK]\n"), repeat("a", 4<<20)...) }},
		{"millions of empty lines", func() []byte { return append([]byte("[UNK]\n"), repeat("\n", 8<<20)...) }},
		{"no UTF-8", func() []byte { return []byte("[UNK]\n\xff\n") }},
		{"no unknown", func() []byte { return []byte("a\nb\n") }},
	}
}

// MergeFiles are of CLIP's BPE, packed or not.
func MergeFiles() []Case {
	return []Case{
		{"packed zeros", func() []byte { return gzipOf(make([]byte, 100<<20)) }},
		{"packed lines", func() []byte { return gzipOf(repeat("a b\n", 20<<20)) }},
		{"packed headers", func() []byte { return repeat("\x1f\x8b\x08\x00", 1<<20) }},
		{"packed blank lines", func() []byte { return gzipOf(repeat("\n", 100<<20)) }},
		{"pieces from nowhere", func() []byte { return []byte("#version: 0.2\nqq zz\n") }},
	}
}

// TokenizerFiles claim to be tokenizer.json.
func TokenizerFiles() []Case {
	return []Case{
		{"brackets", func() []byte { return repeat("[", 16<<20) }},
		{"objects in objects", func() []byte {
			return join([]byte(`{"model":`), repeat(`{"model":`, 1<<20), repeat("}", 1<<20), []byte("}"))
		}},
		{"steps in steps", func() []byte {
			return join([]byte(`{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"normalizer":`),
				repeat(`{"type":"Sequence","normalizers":[`, 9_000), repeat("]}", 9_000), []byte("}"))
		}},
		{"ids far apart", func() []byte {
			return []byte(`{"model":{"type":"BPE","vocab":{"a":0,"b":2147483647},"merges":[]}}`)
		}},
		{"more than it may have", func() []byte { return append([]byte(`{"x":"`), make([]byte, 65<<20)...) }},
		{"a pattern of quantifiers", func() []byte {
			return []byte(`{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"pre_tokenizer":{"type":"Split","pattern":{"Regex":"` +
				strings.Repeat("(", 400) + "a" + strings.Repeat("){1000}", 400) + `"},"behavior":"Isolated"}}`)
		}},
	}
}

// StoredTokenizers claim to be of this module's own format.
func StoredTokenizers() []Case {
	const head = "ALADINTK\x01\x00\x00\x00"
	return []Case{
		{"a recipe of 4 GB", func() []byte { return []byte(head + "\xff\xff\xff\xff{}") }},
		{"two million pieces of nothing", func() []byte {
			return join([]byte(head+"\x02\x00\x00\x00{}\x00\x00\x20\x00"), make([]byte, 8<<20), make([]byte, 8))
		}},
		{"pieces without text", func() []byte { return []byte(head + "\x02\x00\x00\x00{}\x01\x00\x00\x00\xff\xff\xff\x7f") }},
		{"four million merges", func() []byte {
			return join([]byte(head+"\x02\x00\x00\x00{}\x01\x00\x00\x00\x01\x00\x00\x00a\x00\x00\x40\x00"), make([]byte, 48<<20), make([]byte, 4))
		}},
	}
}

// Manifests are what a model.json may be made to say; valid is a right one.
func Manifests(valid []byte) []Case {
	with := func(name, old, new string) Case {
		return Case{name, func() []byte {
			if !bytes.Contains(valid, []byte(old)) {
				panic("hostile: the manifest has no " + old)
			}
			return bytes.Replace(valid, []byte(old), []byte(new), 1)
		}}
	}
	return []Case{
		{"brackets", func() []byte { return repeat("[", 3<<20) }},
		{"larger than it may be", func() []byte { return append([]byte(`{"format":1,"name":"`), make([]byte, 5<<20)...) }},
		with("a name of a megabyte", `"name": "`, `"name": "`+strings.Repeat("a", 1<<20)),
		with("a dimension of 10⁹", `"region": `, `"region": 1000000000`),
		with("a length of 10⁹", `"caption": `, `"caption": 1000000000`),
		with("files above its folder", `"vocab.txt"`, `"../../vocab.txt"`),
		with("a file twice", `"files": {`, `"files": {"vocab.txt": {}, `),
		with("a newer version", `"format": `, `"format": 99`),
	}
}

// Damaged are forms of a file that is sound: cut, emptied, and with its numbers replaced by large ones.
func Damaged(sound []byte) []Case {
	cases := []Case{
		{"nothing", func() []byte { return nil }},
		{"its half", func() []byte { return sound[:len(sound)/2] }},
		{"all but its last byte", func() []byte { return sound[:len(sound)-1] }},
		{"zeros", func() []byte { return make([]byte, 32<<20) }},
		{"ones", func() []byte { return repeat("\xff", 32<<20) }},
		{"its start, then ones", func() []byte { return append(bytes.Clone(sound[:min(64, len(sound))]), repeat("\xff", 1<<20)...) }},
		{"twice itself", func() []byte { return append(bytes.Clone(sound), sound...) }},
	}
	for seed := range uint64(24) {
		cases = append(cases, Case{fmt.Sprint("large numbers ", seed), func() []byte {
			b, r := bytes.Clone(sound), rand.New(rand.NewPCG(seed, 1))
			for range 1 + seed%8 {
				at := r.IntN(max(len(b)-8, 1))
				copy(b[at:], little64([]uint64{1<<63 - 1, 1 << 62, 1<<32 - 1, 1 << 31, 0xffffffffffffffff}[r.IntN(5)]))
			}
			return b
		}})
	}
	return cases
}
