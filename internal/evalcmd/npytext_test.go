package evalcmd

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTexts(t *testing.T) {
	for _, texts := range [][]string{nil, {""}, {"a", "", "犬 und 🐕", "photos/é.jpg#0"}} {
		var b bytes.Buffer
		require.NoError(t, writeTexts(&b, texts))
		got, err := readTexts(&b)
		require.NoError(t, err)
		assert.Equal(t, texts, got)
	}
	file := func(descr, shape, data string) string {
		head := "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }"
		var b bytes.Buffer
		require.NoError(t, writeHeader(&b, head))
		return b.String() + data
	}
	got, err := readTexts(strings.NewReader(file("|S3", "(2,)", "ab\x00xyz")))
	require.NoError(t, err)
	assert.Equal(t, []string{"ab", "xyz"}, got)
	got, err = readTexts(strings.NewReader(file(">U1", "(1,)", "\x00\x00\x00a")))
	require.NoError(t, err)
	assert.Equal(t, []string{"a"}, got)

	_, err = readTexts(strings.NewReader(file("<i8", "(1,)", "12345678")))
	require.ErrorIs(t, err, errNotText)
	for name, bad := range map[string]string{
		"cut short":     file("<U4", "(3,)", "abcd"),
		"no magic":      "PK",
		"bad character": file("<U1", "(1,)", "\xff\xff\xff\xff"),
		"huge":          file("<U99999999", "(1,)", ""),
		"claims much":   file("<U1", "(2000000000,)", "abcd"),
	} {
		_, err := readTexts(strings.NewReader(bad))
		require.ErrorIs(t, err, errData, name)
	}
}

func FuzzTexts(f *testing.F) {
	var b bytes.Buffer
	if err := writeTexts(&b, []string{"ab", "é"}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, in []byte) {
		texts, err := readTexts(bytes.NewReader(in))
		if err != nil {
			return
		}
		var out bytes.Buffer
		require.NoError(t, writeTexts(&out, texts))
	})
}
