package models

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/tokenizer"
)

// words say how a model's texts become ids.
type words struct {
	tok      tokenizer.Tokenizer
	manifest bundle.Tokenizer
	write    func(io.Writer) error // the file that the manifest names
}

// tokenizerFile is a bundle's.
const tokenizerFile = "tokenizer.bin"

// readTokenizer reads the tokenizer in a folder of the source, as the library does that o names.
func (s *Source) readTokenizer(folder string, o tokenizer.ImportOptions) error {
	dir := s.path(folder)
	tok, err := tokenizer.Import(dir, &o)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	for _, f := range tok.Files {
		s.use(filepath.Join(dir, f))
	}
	s.words = words{tok, bundle.Tokenizer{Kind: tok.Kind(), File: tokenizerFile}, tok.Write}
	return nil
}
