package format_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/format"
)

// The numbers are part of the format: changing one needs a new version, a line
// of history, and a compat file.
func TestVersionNumbers(t *testing.T) {
	require.Equal(t, 1, format.Version)
	require.Equal(t, 1, format.MinReadVersion)
	require.EqualValues(t, 20, format.KindRecord)
	require.EqualValues(t, 67, format.KindCells)
	require.EqualValues(t, 7, format.CodecNone)
}

func TestCodecNames(t *testing.T) {
	for i, name := range []string{"f32", "f16", "int8", "bits", "4bit", "2bit", "none"} {
		var c format.Codec
		require.NoError(t, c.UnmarshalText([]byte(name)))
		require.EqualValues(t, i+1, c, name)
		require.Equal(t, name, c.String())
	}
	var c format.Codec
	require.ErrorContains(t, c.UnmarshalText([]byte("int4")), "want f32, f16")
	require.Error(t, c.UnmarshalText(nil))
	require.Equal(t, "codec 9", format.Codec(9).String())
}
