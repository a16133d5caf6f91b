package serve

import (
	"context"
	"errors"
	"fmt"
	"image"

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

func (e encoder) EncodeImage(ctx context.Context, img image.Image) (*index.Encoding, error) {
	return e.encode(ctx, aladin.Image(img))
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
