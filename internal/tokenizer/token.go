package tokenizer

// A Token is one piece of a text.
type Token struct {
	ID         int
	Start, End int // bytes of the original text, half-open
	// Word counts the words of the text from 0: pieces of one word ("play", "##ing") share it.
	Word int
}

// A Word is a run of tokens that were cut out of one word of the text.
type Word struct {
	Text        string // as written in the original text
	Start, End  int    // bytes of the original text, half-open
	First, Last int    // tokens[First:Last] are its pieces
}

// Words joins the pieces of tokens, which a tokenizer of this package made from text, into whole
// words. The slice may have been cut at the end: the last word then ends with its last piece. Tokens
// that cover no text ([CLS], [SEP] and padding put around the pieces) are of no word.
func Words(text string, tokens []Token) []Word {
	var words []Word
	for i, t := range tokens {
		if t.Start >= t.End {
			continue
		}
		if n := len(words); n > 0 && words[n-1].Last == i && tokens[i-1].Word == t.Word {
			w := &words[n-1]
			w.Start, w.End, w.Last = min(w.Start, t.Start), max(w.End, t.End), i+1
			continue
		}
		words = append(words, Word{Start: t.Start, End: t.End, First: i, Last: i + 1})
	}
	for i := range words {
		w := &words[i]
		if 0 <= w.Start && w.Start <= w.End && w.End <= len(text) {
			w.Text = text[w.Start:w.End]
		}
	}
	return words
}

// IDs are the ids of tokens, as the encoders take them.
func IDs(tokens []Token) []int64 {
	ids := make([]int64, len(tokens))
	for i, t := range tokens {
		ids[i] = int64(t.ID)
	}
	return ids
}
