// Package tokenizer cuts captions and object tags into the integer ids that text encoders read,
// and keeps for every piece the bytes of the original text that it stands for, so that a search
// hit can point at the word that made it.
//
// There are three kinds of [Tokenizer]. [WordPiece] is BERT's, piece for piece what the original Python code
// (pytorch_transformers 1.0, which the published ALADIN models were trained with) produces.
// [CLIP] is the byte-level BPE of OpenAI's CLIP, for its text tower. [Subword] is what the files of a model of the
// CLIP family say: [Import] reads tokenizer.json, spiece.model, or vocab.json with merges.txt as the library does that
// the model comes from, [Subword.Write] stores what was read as one file of a bundle, [Load] reads that again.
// [BuildVocab] makes a WordPiece vocabulary out of somebody's own captions.
//
// [Encode] makes the sequence that a network reads out of a text: pieces, what stands around them, how many pieces
// were cut because the text is too long.
//
// # Offsets
//
// [Token.Start] and [Token.End] are a half-open range of bytes in the text as it was given, before
// lower-casing, accent stripping or HTML unescaping. Combining marks that are stripped belong to the letter
// before them. Where one character yields several pieces (a Hangul syllable taken apart, an emoji in
// several byte pieces) each of them has the whole character as its range. Characters that are removed
// altogether (controls, invalid UTF-8) lie in no range, or inside one when they stand within a word.
//
// # Robustness and concurrency
//
// Any string is allowed, valid UTF-8 or not: bytes that are no UTF-8 are read as U+FFFD, as Python's
// errors="replace" does. Time is linear in the length of the text (merging: n log n), whatever
// it holds. Tokenizers are immutable and safe for concurrent use.
package tokenizer
