package bundle

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// WordsFile tells in how many captions of its training data a model saw each word: lines of a word, a tab and a number, the
// most frequent first. Models without it do not know.
const WordsFile = "words.tsv"

const (
	maxWords     = 50_000 // the most frequent are kept
	maxWordBytes = 100
	maxWordsFile = 8 << 20
)

// WordCounts are in how many captions each word is, in lower case.
type WordCounts map[string]int

// Write writes a WordsFile: the most frequent words, of equally frequent ones the first of the alphabet. Words that are no
// line's are left out.
func (c WordCounts) Write(w io.Writer) error {
	words := slices.SortedFunc(maps.Keys(c), func(a, b string) int {
		return cmp.Or(cmp.Compare(c[b], c[a]), cmp.Compare(a, b))
	})
	out := bufio.NewWriter(w)
	left := maxWords
	for _, word := range words {
		if left == 0 {
			break
		}
		if goodWord(word) && c[word] > 0 {
			fmt.Fprintf(out, "%s\t%d\n", word, c[word])
			left--
		}
	}
	return out.Flush()
}

func goodWord(word string) bool {
	return word != "" && len(word) <= maxWordBytes && utf8.ValidString(word) && !strings.ContainsAny(word, "\t\r\n")
}

// Words reads the model's WordsFile; nil of a model that has none.
func (b *Bundle) Words() (WordCounts, error) {
	file, ok := b.Manifest.Files[WordsFile]
	if !ok {
		return nil, nil
	}
	if file.Size > maxWordsFile {
		return nil, fmt.Errorf("model %s: %s: %w: larger than %d bytes", b.dir, WordsFile, ErrCorrupt, maxWordsFile)
	}
	path, err := b.Path(WordsFile)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	counts, err := readWords(io.LimitReader(f, maxWordsFile))
	if err != nil {
		return nil, fmt.Errorf("model %s: %s: %w", b.dir, WordsFile, err)
	}
	return counts, nil
}

func readWords(r io.Reader) (WordCounts, error) {
	counts := WordCounts{}
	sc := bufio.NewScanner(r)
	for line := 1; sc.Scan(); line++ {
		word, number, _ := strings.Cut(sc.Text(), "\t")
		n, err := strconv.ParseInt(number, 10, 32)
		switch {
		case !goodWord(word) || err != nil || n < 1:
			return nil, fmt.Errorf("%w: line %d: %.40q is no word with a number", ErrCorrupt, line, sc.Text())
		case len(counts) == maxWords:
			return nil, fmt.Errorf("%w: line %d: more than %d words", ErrCorrupt, line, maxWords)
		}
		counts[word] = int(n)
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return counts, nil
}
