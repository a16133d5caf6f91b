package tokenizer

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/shareddata"
)

var fewCaptions = []string{
	"A dog jumps over the fence.", "Two dogs jumped over a log.", "The dog is jumping.",
	"A café at night, a dog walks by", "walking walked walker walks", "犬 dog", "",
}

func TestBuildVocab(t *testing.T) {
	vocab := BuildVocab(slices.Values(fewCaptions), 400, 2)
	require.Equal(t, []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}, vocab[:5])
	for _, p := range []string{"dog", "the", "over", "walks", "犬", "##ing", "walk"} {
		require.Contains(t, vocab, p)
	}
	require.NotContains(t, vocab, "fence", "a word seen once is no piece of its own")

	unique := slices.Clone(vocab)
	slices.Sort(unique)
	require.Len(t, slices.Compact(unique), len(vocab))

	wp, err := NewWordPiece(vocab, nil)
	require.NoError(t, err)
	for _, text := range append(fewCaptions, "zebra Xylophone's 42 ~", "jumpings") {
		for _, tok := range wp.Tokenize(text) {
			require.NotEqual(t, wp.UNK(), tok.ID, text)
		}
	}
	require.Len(t, wp.Tokenize("fence"), 5, "spelt: it shares no part with another word")
	require.Len(t, wp.Tokenize("jumpings"), 3, "jump ##ing ##s")
	require.Equal(t, wp.UNK(), wp.Tokenize("猫")[0].ID)
}

func TestBuildVocabIgnoresOrder(t *testing.T) {
	want := BuildVocab(slices.Values(fewCaptions), 200, 1)
	back := slices.Clone(fewCaptions)
	slices.Reverse(back)
	for range 3 {
		require.Equal(t, want, BuildVocab(slices.Values(back), 200, 1))
	}
}

func TestBuildVocabSizes(t *testing.T) {
	for _, size := range []int{-1, 0, 3, 5, 6, 20, 111, 130, 10_000} {
		vocab := BuildVocab(slices.Values(fewCaptions), size, 1)
		require.LessOrEqual(t, len(vocab), max(size, 0))
		if size >= 5 {
			_, err := NewWordPiece(vocab, nil)
			require.NoError(t, err)
		}
	}
	require.NotEmpty(t, BuildVocab(slices.Values([]string(nil)), 200, 1), "no captions still give letters")
}

func TestWriteVocab(t *testing.T) {
	vocab := BuildVocab(slices.Values(fewCaptions), 200, 1)
	var b bytes.Buffer
	require.NoError(t, WriteVocab(&b, vocab))
	wp, err := ReadWordPiece(&b, nil)
	require.NoError(t, err)
	require.Equal(t, vocab, wp.Vocab())
	require.ErrorIs(t, WriteVocab(&b, []string{"a\nb"}), ErrVocabulary)
}

// flickrCaptions are the captions of a split of Flickr8k.
func flickrCaptions(tb testing.TB, file string) []string {
	tb.Helper()
	raw, err := os.ReadFile(filepath.Join(shareddata.Dir(tb, "flickr8k"), file))
	require.NoError(tb, err)
	var texts []string
	for line := range strings.Lines(string(raw)) {
		if f := strings.SplitN(strings.TrimSpace(line), "\t", 3); len(f) == 3 {
			texts = append(texts, f[2])
		}
	}
	return texts
}

func TestBuildVocabFlickr(t *testing.T) {
	vocab := BuildVocab(slices.Values(flickrCaptions(t, "train.tsv")), 8000, 3)
	wp, err := NewWordPiece(vocab, nil)
	require.NoError(t, err)
	var words, pieces, whole, unk int
	for _, text := range flickrCaptions(t, "dev.tsv") {
		toks := wp.Tokenize(text)
		for _, w := range Words(text, toks) {
			words++
			pieces += w.Last - w.First
			if w.Last-w.First == 1 {
				whole++
			}
			if toks[w.First].ID == wp.UNK() {
				unk++
			}
		}
	}
	t.Logf("%d pieces; unseen captions: %d words, %.3f pieces a word, %.2f%% whole, %d unknown",
		len(vocab), words, float64(pieces)/float64(words), 100*float64(whole)/float64(words), unk)
	require.Zero(t, unk)
	require.Greater(t, float64(whole)/float64(words), 0.97)
}

func BenchmarkBuildVocab(b *testing.B) {
	texts := flickrCaptions(b, "train.tsv")
	for b.Loop() {
		BuildVocab(slices.Values(texts), 8000, 3)
	}
}

func TestLearned(t *testing.T) {
	captions := slices.Values([]string{"a red mug", "a red ball", "red walls, tall walls", "a mug", "the balls, the walls 3"})
	vocab := BuildVocab(captions, 200, 2)
	wp, err := NewWordPiece(vocab, &Options{Learned: true})
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"red", "walls", "mug", "the"}, wp.Learned())
	for piece, want := range map[string]bool{"red": true, "a": true, "3": true, "##all": false} {
		id, ok := wp.ID(piece)
		require.True(t, ok, "%s %q", piece, vocab)
		assert.Equal(t, want, wp.IsLearned(id), piece)
	}
	o, err := BundleOptions(true, wp.BundleOptions())
	require.NoError(t, err)
	assert.Equal(t, &Options{Learned: true}, o)

	wp, err = NewWordPiece(vocab, nil)
	require.NoError(t, err)
	assert.Nil(t, wp.Learned(), "nobody says where it is from")
	assert.Nil(t, wp.BundleOptions())
	o, err = BundleOptions(false, nil)
	require.NoError(t, err)
	assert.Equal(t, &Options{Cased: true}, o)
	_, err = BundleOptions(false, []byte(`[]`))
	require.ErrorIs(t, err, ErrVocabulary)
}

// Words that are put into a vocabulary later are words like the others: whole, and learned.
func TestExtendVocab(t *testing.T) {
	vocab := BuildVocab(slices.Values(fewCaptions), 400, 2)
	more := ExtendVocab(vocab, []string{"dog", "zebra", "zebra", "giraffe", "lion"}, 2)
	require.Len(t, more, len(vocab)+2)
	wp, err := NewWordPiece(more, &Options{Learned: true})
	require.NoError(t, err)
	for word, whole := range map[string]bool{"zebra": true, "giraffe": true, "lion": false, "dog": true} {
		pieces := wp.Tokenize(word)
		require.Equal(t, whole, len(pieces) == 1 && wp.IsLearned(pieces[0].ID), word)
	}
	require.Equal(t, []string{"a", "zebra"}, ExtendVocab([]string{"a"}, []string{"zebra"}, 9), "without parts")
}
