package model

import (
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/nn"
)

// stopWords are English words that hold a sentence together and show nothing in a picture. Words of place
// are not among them.
const stopWords = `a an the this that these those some any each both all such same other another
i you he she it we they me him her us them my your his its our their mine yours hers ours theirs
who whom whose which what there here
am is are was were be been being do does did doing done has have had having
will would can could shall should may might must
and or but nor so yet if then than as because while when where how
of to for with by from at about into onto
s t d ll m re ve don
very too just also only own more most few several`

// IsStopWord says whether a word shows nothing in a picture.
func IsStopWord(word string) bool { return slices.Contains(strings.Fields(stopWords), word) }

// markStopWords makes the table of the words that take part in alignment, where the network asks for one.
func (m *Model) markStopWords() {
	if !m.Net.StopWords {
		return
	}
	kept := make([]float32, m.Net.Vocab)
	for i := range kept {
		kept[i] = 1
	}
	for _, w := range strings.Fields(stopWords) {
		if id, ok := m.Text.Tokenizer.ID(w); ok && id < len(kept) {
			kept[id] = 0
		}
	}
	m.Params.Set(nn.KeptWords, []int{len(kept), 1}, kept)
}
