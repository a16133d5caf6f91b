package dataset

import (
	"math/rand/v2"

	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/training/config"
)

// What tests look at inside a Batcher.

func (b *Batcher) Config() *config.Config          { return b.cfg }
func (b *Batcher) Data() *Data                     { return b.data }
func (b *Batcher) Text() input.Text                { return b.text }
func (b *Batcher) Tokens() [][]int64               { return b.tokens }
func (b *Batcher) Views() []View                   { return b.views }
func (b *Batcher) View(r *rand.Rand, c int) int    { return b.view(r, c) }
func (b *Batcher) Rand(epoch, step int) *rand.Rand { return b.rng(epoch, step) }
