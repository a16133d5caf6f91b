package serve

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
)

// FromModel makes a model of the root package one that a Server can use.
func FromModel(m *aladin.Model) Model { return encoder{m} }

type encoder struct{ m *aladin.Model }

func (e encoder) Fingerprint() string { return e.m.Fingerprint() }

func (e encoder) EncodeText(ctx context.Context, text string) (*index.Encoding, error) {
	return e.encode(ctx, aladin.Text(text))
}

func (e encoder) EncodePhoto(ctx context.Context, data []byte) (*index.Encoding, error) {
	return e.encode(ctx, aladin.ImageBytes("photo", data))
}

// Unknown implements unknowner.
func (e encoder) Unknown(text string) ([]string, bool) { return e.m.Unknown(text) }

// An unknowner is a Model that says which words of a text it does not know, and whether it knows none.
type unknowner interface {
	Unknown(text string) (words []string, all bool)
}

// Warning says what is to be known of a text with unknown words; "" is nothing.
func Warning(text string, unknown []string, all bool) string {
	switch {
	case all:
		return fmt.Sprintf("The model knows no word of %q: what is found means nothing.", strings.TrimSpace(text))
	case len(unknown) == 1:
		return fmt.Sprintf("The model does not know the word %q.", unknown[0])
	case len(unknown) > 1:
		return fmt.Sprintf("The model does not know the words %q.", unknown)
	}
	return ""
}

func (e encoder) encode(ctx context.Context, in aladin.Input) (*index.Encoding, error) {
	enc, err := e.m.Encode(ctx, in)
	switch {
	case errors.Is(err, aladin.ErrNoPixels):
		return nil, ErrNoPhotoQueries
	case errors.Is(err, aladin.ErrInput):
		return nil, fmt.Errorf("%w: %w", index.ErrInvalid, err)
	}
	return enc, err
}
