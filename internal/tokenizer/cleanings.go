package tokenizer

import (
	"fmt"
	"unicode/utf8"
)

// cleaner is what is done to a text before anything else.
func cleaner(name string) (func([]char) []char, error) {
	switch name {
	case "":
		return func(cs []char) []char { return cs }, nil
	case CleanLower:
		return func(cs []char) []char { return lower(make([]char, 0, len(cs)), cs) }, nil
	case CleanOpenCLIP:
		return func(cs []char) []char {
			cs = collapse(repair(cs))
			return lower(make([]char, 0, len(cs)), cs)
		}, nil
	case CleanWhitespace:
		return func(cs []char) []char { return collapse(repair(cs)) }, nil
	case CleanCanonicalize:
		return func(cs []char) []char { return canonicalize(repair(cs)) }, nil
	case CleanSigLIP:
		return cleanSigLIP, nil
	case CleanImmich:
		return collapse, nil
	case CleanImmichCanonicalize:
		return func(cs []char) []char {
			out := make([]char, 0, len(cs))
			for _, c := range collapse(cs) {
				if !asciiPunctuation(c.r) {
					out = append(out, c)
				}
			}
			return lower(make([]char, 0, len(out)), out)
		}, nil
	}
	return nil, fmt.Errorf("%w: the cleaning %q is not supported", ErrVocabulary, clip(name, 40))
}

// Cleanings: what a model's library does to a text before its tokenizer reads it.
const (
	CleanLower        = "lowercase"    // SigLIP 2: lower case, nothing else
	CleanOpenCLIP     = "lower"        // OpenCLIP's default: mojibake mended, entities, white space, lower case
	CleanWhitespace   = "whitespace"   // OpenCLIP: the same in its own case
	CleanCanonicalize = "canonicalize" // OpenCLIP's SigLIP: no punctuation besides
	CleanSigLIP       = "siglip"       // Hugging Face's SigLIP, together with its SentencePiece model
	CleanImmich       = "spaces"       // Immich: white space collapsed
	// Immich's SigLIP: then no punctuation, and lower case.
	CleanImmichCanonicalize = "spaces-canonicalize"
)

// cleanSigLIP is lower case one character at a time and the blank that the tokenizer puts in front.
func cleanSigLIP(cs []char) []char {
	out := make([]char, 0, len(cs)+1)
	out = append(out, char{blank, 0, 0})
	for _, c := range cs {
		if c.r == blank {
			c.r = ' '
		}
		out = append(out, c)
	}
	return lowerEach(out)
}

// asciiPunctuation is Python's string.punctuation.
func asciiPunctuation(r rune) bool { return r < utf8.RuneSelf && isPunctuation(r) }

// canonicalize is OpenCLIP's: underscores are spaces, ASCII punctuation goes, lower case, white space collapsed.
func canonicalize(cs []char) []char {
	out := make([]char, 0, len(cs))
	for _, c := range cs {
		if c.r == '_' {
			c.r = ' '
		}
		if !asciiPunctuation(c.r) {
			out = append(out, c)
		}
	}
	return collapse(lower(make([]char, 0, len(out)), out))
}

// collapse trims and makes every run of white space one space, as " ".join(text.split()) does.
func collapse(cs []char) []char {
	out := make([]char, 0, len(cs))
	var gap *char
	for i, c := range cs {
		switch {
		case !pythonSpace(c.r):
			if gap != nil {
				out = append(out, char{' ', gap.start, cs[i-1].end})
				gap = nil
			}
			out = append(out, c)
		case gap == nil && len(out) > 0:
			gap = &cs[i]
		}
	}
	return out
}
