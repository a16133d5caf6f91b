// Package lexicon lends a model what others learned of words from texts. An [Encoder] is a BERT or MiniLM in Hugging Face's form:
// it gives texts vectors, of which those of like meaning are close. From the words that a model learned, [Map] learns the way
// from such vectors to the model's own embeddings, and finds places for words that no caption had, beside those that mean the
// like.
package lexicon
