package bundle

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWords(t *testing.T) {
	man, files := sample(), sampleFiles()
	b, err := Create(t.TempDir()+"/without", man, files)
	require.NoError(t, err)
	counts, err := b.Words()
	require.NoError(t, err)
	assert.Nil(t, counts)

	want := WordCounts{"dog": 12, "straßenbahn": 1, "puppy": 1}
	files[WordsFile] = WordCounts{"dog": 12, "straßenbahn": 1, "puppy": 1, "two\nlines": 4, "": 3, "never": 0}.Write
	dir := t.TempDir() + "/with"
	_, err = Create(dir, man, files)
	require.NoError(t, err)
	b, err = Open(dir)
	require.NoError(t, err)
	counts, err = b.Words()
	require.NoError(t, err)
	assert.Equal(t, want, counts)
	assert.NotContains(t, b.Manifest.regionFiles(), WordsFile)

	var buf bytes.Buffer
	require.NoError(t, want.Write(&buf))
	assert.Equal(t, "dog\t12\npuppy\t1\nstraßenbahn\t1\n", buf.String())

	many := WordCounts{}
	for i := range maxWords + 10 {
		many[fmt.Sprint("w", i)] = 1 + i
	}
	buf.Reset()
	require.NoError(t, many.Write(&buf))
	got, err := readWords(&buf)
	require.NoError(t, err)
	assert.Len(t, got, maxWords)
	assert.NotContains(t, got, "w9", "the rarest are left out")
}

func FuzzReadWords(f *testing.F) {
	for _, s := range []string{"dog\t12\n", "dog\t0\n", "dog", "\t3\n", "dog\t99999999999\n", "a\tb\t1\n", strings.Repeat("x", 101) + "\t1\n", "\xff\t1\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		counts, err := readWords(bytes.NewReader(data))
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		var buf bytes.Buffer
		require.NoError(t, counts.Write(&buf))
		again, err := readWords(io.Reader(&buf))
		require.NoError(t, err)
		require.Equal(t, counts, again)
	})
}
