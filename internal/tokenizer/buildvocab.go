package tokenizer

import (
	"cmp"
	"container/heap"
	"iter"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// asciiAlphabet is part of every vocabulary that has room for it: whatever is typed later can be spelt.
const asciiAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

// BuildVocab makes a WordPiece vocabulary of at most size pieces from captions, lower-cased and
// without accents, in the order [PAD] [UNK] [CLS] [SEP] [MASK], characters, words, parts of words.
// It depends on the captions only, not on their order.
//
// Caption sets are small (Flickr8k: 30,000 captions, 8,000 words), too small to learn good pieces
// for words that could be whole. So every word seen at least minCount times (at least once) is a piece, the
// most frequent first when they do not fit. What remains of size goes to parts of words: pairs of
// pieces are joined as in byte-pair encoding, each distinct word counting once (a suffix matters if many
// words have it, not if one word is frequent). Rare and unseen words are then spelt from them, down
// to single characters, so that only characters never seen give [UNK].
func BuildVocab(texts iter.Seq[string], size, minCount int) []string {
	minCount = max(minCount, 1)
	words, runes := countWords(texts)

	v := vocabulary{size: size, has: map[string]bool{}}
	for _, name := range special {
		v.add(name)
	}
	// Characters may take half of the room; the rarest of a large script are left out.
	v.alphabet(runes, len(v.pieces)+(size-len(v.pieces))/2)

	seen := slices.Collect(maps.Keys(words))
	slices.SortFunc(seen, func(a, b string) int {
		return cmp.Or(words[b]-words[a], cmp.Compare(a, b))
	})
	// A tenth is kept for parts, when there are too many words.
	limit := size - (size-len(v.pieces))/10
	for _, w := range seen {
		if words[w] < minCount || len(v.pieces) >= limit {
			break
		}
		v.add(w)
	}
	slices.Sort(seen) // merging must not depend on counts that tie
	learnParts(seen, v.add)
	return v.pieces
}

// countWords counts the words and characters of texts as the tokenizer will see them.
func countWords(texts iter.Seq[string]) (words map[string]int, runes map[rune]int) {
	words, runes = map[string]int{}, map[rune]int{}
	var buf []byte
	s := splitter{word: func(cs []char, _, _ int, named string) {
		if named != "" || len(cs) > maxWordChars {
			return
		}
		buf = buf[:0]
		for _, c := range cs {
			buf = utf8.AppendRune(buf, c.r)
			runes[c.r]++
		}
		words[string(buf)]++
	}}
	for text := range texts {
		s.split(text)
	}
	return words, runes
}

// A vocabulary in the making.
type vocabulary struct {
	pieces []string
	has    map[string]bool
	size   int
}

// add appends a piece unless it is there; it reports whether there is room for more.
func (v *vocabulary) add(piece string) bool {
	if !v.has[piece] && len(v.pieces) < v.size {
		v.has[piece] = true
		v.pieces = append(v.pieces, piece)
	}
	return len(v.pieces) < v.size
}

// alphabet adds the characters seen, the most frequent as far as limit allows, and ASCII.
func (v *vocabulary) alphabet(seen map[rune]int, limit int) {
	for _, r := range asciiAlphabet {
		if _, ok := seen[r]; !ok {
			seen[r] = 0
		}
	}
	all := slices.Collect(maps.Keys(seen))
	slices.SortFunc(all, func(a, b rune) int { return cmp.Or(seen[b]-seen[a], cmp.Compare(a, b)) })
	n := len(v.pieces)
	for i, r := range all {
		if n += charPieces(r); n > limit {
			all = all[:i]
			break
		}
	}
	slices.Sort(all)
	for _, r := range all {
		v.add(string(r))
	}
	for _, r := range all {
		if charPieces(r) == 2 {
			v.add("##" + string(r))
		}
	}
}

// charPieces is how many pieces a character needs: one where it is a word by itself, else two.
func charPieces(r rune) int {
	if isPunctuation(r) || isCJK(r) {
		return 1
	}
	return 2
}

// minShare is how many distinct words must have a part for it to become a piece.
const minShare = 2

// learnParts joins the most common pair of neighbouring pieces over and over, and hands each new
// piece to add until that has no more room. Ties go to the piece that sorts first.
func learnParts(words []string, add func(string) bool) {
	l := learner{id: map[string]int32{}, count: map[[2]int32]int{}, where: map[[2]int32]map[int32]bool{}}
	for _, w := range words {
		if utf8.RuneCountInString(w) < 2 {
			continue
		}
		var syms []int32
		for i, r := range w {
			p := string(r)
			if i > 0 {
				p = "##" + p
			}
			syms = append(syms, l.piece(p))
		}
		l.words = append(l.words, syms)
		l.addPairs(int32(len(l.words)-1), +1)
	}
	for pair := range l.where {
		l.push(pair)
	}
	for len(l.heap) > 0 {
		best := heap.Pop(&l.heap).(candidate)
		if n := l.count[best.pair]; n != best.count {
			if n >= minShare { // the count has changed since: back in its new place
				l.push(best.pair)
			}
			continue
		}
		if !add(best.text) {
			return
		}
		l.merge(best.pair, l.piece(best.text))
	}
}

// A learner holds the words as sequences of pieces and where each pair of neighbours occurs.
type learner struct {
	pieces []string
	id     map[string]int32
	words  [][]int32
	count  map[[2]int32]int
	where  map[[2]int32]map[int32]bool
	heap   candidates
}

func (l *learner) piece(p string) int32 {
	id, ok := l.id[p]
	if !ok {
		id = int32(len(l.pieces))
		l.pieces = append(l.pieces, p)
		l.id[p] = id
	}
	return id
}

// addPairs counts the pairs of a word, once each (by = 1), or takes them out (by = −1).
func (l *learner) addPairs(word int32, by int) {
	syms := l.words[word]
	for i := 1; i < len(syms); i++ {
		pair := [2]int32{syms[i-1], syms[i]}
		at := l.where[pair]
		if at[word] == (by > 0) {
			continue // already counted, or already gone
		}
		if at == nil {
			at = map[int32]bool{}
			l.where[pair] = at
		}
		if l.count[pair] += by; by > 0 {
			at[word] = true
		} else {
			delete(at, word)
		}
	}
}

func (l *learner) push(pair [2]int32) {
	if n := l.count[pair]; n >= minShare {
		text := l.pieces[pair[0]] + strings.TrimPrefix(l.pieces[pair[1]], "##")
		heap.Push(&l.heap, candidate{pair, n, text})
	}
}

// merge replaces a pair by a new piece in every word that has it.
func (l *learner) merge(pair [2]int32, piece int32) {
	fresh := map[[2]int32]bool{}
	for _, word := range slices.Sorted(maps.Keys(l.where[pair])) {
		l.addPairs(word, -1)
		old := l.words[word]
		syms := old[:0]
		for i := 0; i < len(old); i++ {
			if i+1 < len(old) && old[i] == pair[0] && old[i+1] == pair[1] {
				syms = append(syms, piece)
				i++
			} else {
				syms = append(syms, old[i])
			}
		}
		l.words[word] = syms
		l.addPairs(word, +1)
		for i := 1; i < len(syms); i++ {
			if syms[i-1] == piece || syms[i] == piece {
				fresh[[2]int32{syms[i-1], syms[i]}] = true
			}
		}
	}
	delete(l.where, pair)
	delete(l.count, pair)
	for p := range fresh {
		l.push(p)
	}
}

// A candidate is a pair as it was counted when it entered the heap.
type candidate struct {
	pair  [2]int32
	count int
	text  string
}

type candidates []candidate

func (c candidates) Len() int      { return len(c) }
func (c candidates) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c candidates) Less(i, j int) bool {
	if c[i].count != c[j].count {
		return c[i].count > c[j].count
	}
	if c[i].text != c[j].text {
		return c[i].text < c[j].text
	}
	return c[i].pair[0] < c[j].pair[0]
}
func (c *candidates) Push(x any) { *c = append(*c, x.(candidate)) }
func (c *candidates) Pop() any {
	old := *c
	x := old[len(old)-1]
	*c = old[:len(old)-1]
	return x
}

// ExtendVocab puts words behind the words of a vocabulary that BuildVocab made: the first that it does not have yet, at most that
// many.
func ExtendVocab(vocab, words []string, most int) []string {
	has := make(map[string]bool, len(vocab))
	for _, p := range vocab {
		has[p] = true
	}
	parts := slices.IndexFunc(vocab, func(p string) bool {
		rest, part := strings.CutPrefix(p, "##")
		return part && utf8.RuneCountInString(rest) > 1
	})
	if parts < 0 {
		parts = len(vocab)
	}
	out := slices.Clone(vocab[:parts])
	for _, w := range words {
		if !has[w] && most > 0 {
			has[w] = true
			most--
			out = append(out, w)
		}
	}
	return append(out, vocab[parts:]...)
}
