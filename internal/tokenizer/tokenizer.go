package tokenizer

// A Tokenizer cuts texts into the ids of one vocabulary. [WordPiece], [CLIP] and [Subword] are tokenizers.
type Tokenizer interface {
	// Tokenize cuts a text into pieces, without the tokens that a network reads around them.
	Tokenize(text string) []Token
	// Frame is what the network reads around the pieces.
	Frame() Frame
	// Size is the number of ids.
	Size() int
	// Piece is the text of an id as the vocabulary writes it, "" when there is no such id.
	Piece(id int) string
}

// A Frame is what a network reads around the pieces of a text.
type Frame struct {
	Before []int `json:"before,omitempty"` // ids in front of the pieces
	After  []int `json:"after,omitempty"`  // and behind them
	Pad    int   `json:"pad"`              // what fills a sequence up; -1 where the vocabulary has no such token
	// Length is the longest sequence as the tokenizer's own files state it, 0 where they do not. The network
	// has the last word.
	Length int `json:"length,omitempty"`
}

// A Sequence is a text as a network reads it.
type Sequence struct {
	// Tokens are the pieces between the tokens of the frame, which cover no text.
	Tokens []Token
	// Pieces says which tokens are pieces: Tokens[Pieces[0]:Pieces[1]].
	Pieces [2]int
	// Cut is how many pieces were left out because the text is longer than the network reads.
	Cut int
}

// Encode makes the sequence of a text, at most length tokens long (0: as long as need be). What is too much
// is cut at the end of the text; the frame stays.
func Encode(t Tokenizer, text string, length int) Sequence {
	f := t.Frame()
	body := t.Tokenize(text)
	room := len(body)
	if length > 0 {
		room = min(room, max(0, length-len(f.Before)-len(f.After)))
	}
	s := Sequence{Cut: len(body) - room, Pieces: [2]int{len(f.Before), len(f.Before) + room}}
	s.Tokens = make([]Token, 0, len(f.Before)+room+len(f.After))
	for _, id := range f.Before {
		s.Tokens = append(s.Tokens, Token{ID: id})
	}
	s.Tokens = append(s.Tokens, body[:room]...)
	for _, id := range f.After {
		s.Tokens = append(s.Tokens, Token{ID: id, Start: len(text), End: len(text)})
	}
	return s
}

// Empty tells whether no piece covers any of the text: it was empty, or nothing but what the tokenizer
// removes.
func (s Sequence) Empty() bool {
	for _, t := range s.Tokens {
		if t.Start < t.End {
			return false
		}
	}
	return true
}

// IDs are the ids, filled up with pad to length; they are never cut.
func (s Sequence) IDs(length, pad int) []int64 {
	ids := make([]int64, 0, max(length, len(s.Tokens)))
	ids = append(ids, IDs(s.Tokens)...)
	for len(ids) < length {
		ids = append(ids, int64(pad))
	}
	return ids
}
