package source

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func utf16Text(order binary.AppendByteOrder, s string) string {
	b := order.AppendUint16(nil, 0xfeff)
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

// What people have captions in.
func TestCaptionFormats(t *testing.T) {
	dir := folder(t, map[string][]byte{"a.png": nil, "sub/Zoë b.png": nil, "c#1.png": nil})
	// Each says the same.
	want := []Caption{
		{ID: "a.png#0", Image: 0, Text: "a dog, and a ball"},
		{ID: "a.png#1", Image: 0, Text: `it "barks" at us`},
		{ID: "sub/Zoë b.png#0", Image: 1, Text: "two lines of text"},
	}
	tsv := "a.png\t0\ta dog, and a ball\na.png\t1\tit \"barks\" at us\nsub/Zoë b.png\t0\ttwo lines of text\n"
	quoted := "a.png,0,\"a dog, and a ball\"\na.png,1,\"it \"\"barks\"\" at us\"\nsub/Zoë b.png,0,\"two lines\nof text\"\n"
	for name, file := range map[string]struct{ name, text string }{
		"TSV":                  {"c.tsv", tsv},
		"TSV with a mark":      {"c.tsv", "\ufeff" + tsv},
		"CRLF":                 {"c.tsv", strings.ReplaceAll(tsv, "\n", "\r\n")},
		"CR":                   {"c.tsv", strings.ReplaceAll(tsv, "\n", "\r")},
		"UTF-16":               {"c.txt", utf16Text(binary.LittleEndian, strings.ReplaceAll(tsv, "\n", "\r\n"))},
		"UTF-16, the other":    {"c.txt", utf16Text(binary.BigEndian, tsv)},
		"header":               {"c.tsv", "image\tn\tcaption\n" + tsv},
		"quoted TSV":           {"c.tsv", "a.png\t0\t\"a dog, and a ball\"\na.png\t1\t\"it \"\"barks\"\" at us\"\nsub/Zoë b.png\t0\t\"two lines\nof text\"\n"},
		"CSV":                  {"c.csv", quoted},
		"CSV of two columns":   {"c.csv", "filename,description\na.png,\"a dog, and a ball\"\na.png,\"it \"\"barks\"\" at us\"\nsub/Zoë b.png,\"two lines\r\nof text\"\n"},
		"CSV in another order": {"c.csv", "Caption;No;File\n\"a dog, and a ball\";0;a.png\n\"it \"\"barks\"\" at us\";1;a.png\n\"two lines\nof text\";0;sub/Zoë b.png\n"},
		"Flickr8k":             {"c.txt", "a.png#0\ta dog, and a ball\na.png#1\tit \"barks\" at us\nsub/Zoë b.png#0\ttwo lines of text\n"},
		"Flickr30k":            {"c.csv", "image_name| comment_number| comment\na.png| 0| a dog, and a ball\na.png| 1| it \"barks\" at us\nsub/Zoë b.png| 0| two lines of text\n"},
		"names of other kinds": {"c.tsv", strings.NewReplacer("a.png\t0", "A.PNG\t0", "sub/Zoë b", `sub\Zoe`+"\u0308  B").Replace(tsv)},
		"JSON lines":           {"c.jsonl", `{"image": "a.png", "captions": ["a dog, and a ball", "it \"barks\" at us"]}` + "\n" + `{"file_name": "sub/Zoë b.png", "caption": "two lines\nof text"}` + "\n"},
		"a JSON array":         {"c.json", `[{"id": "a.png", "text": "a dog, and a ball"}, {"id": "a.png", "text": "it \"barks\" at us"}, {"photo": "sub/Zoë b.png", "text": "two lines of text"}]`},
		"COCO": {"c.json", `{"info": {}, "images": [{"id": 7, "file_name": "a.png"}, {"id": 9, "file_name": "sub/Zoë b.png"}],` + "\n" +
			`"annotations": [{"id": 1, "image_id": 7, "caption": "a dog, and a ball"}, {"id": 2, "image_id": 7, "caption": "it \"barks\" at us"}, {"id": 3, "image_id": 9, "caption": "two lines of text"}]}`},
		"Karpathy": {"c.json", `{"images": [{"filename": "a.png", "sentences": [{"raw": "a dog, and a ball"}, {"raw": "it \"barks\" at us"}]}, {"filename": "sub/Zoë b.png", "sentences": [{"raw": "two lines of text"}]}]}`},
	} {
		path := filepath.Join(t.TempDir(), file.name)
		require.NoError(t, os.WriteFile(path, []byte(file.text), 0o600))
		s, err := parse(t, "", "--images", dir, "--captions", path).Open(t.Context(), nil)
		require.NoError(t, err, name)
		assert.Equal(t, want, s.Captions, name)
		assert.Empty(t, s.Skipped, name)
	}
}

func TestCaptionFaults(t *testing.T) {
	dir := folder(t, map[string][]byte{"a.png": nil, "trip/beach.png": nil, "c.png": nil, "C.png": nil})
	read := func(name, text string) (captions []string, skipped string, err error) {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		s, err := parse(t, "", "--images", dir, "--captions", path).Open(t.Context(), nil)
		if err != nil {
			return nil, "", err
		}
		for _, c := range s.Captions {
			captions = append(captions, c.ID+" "+c.Text)
		}
		for _, k := range s.Skipped {
			skipped += strings.ReplaceAll(k.Error(), path, name) + "\n"
		}
		return captions, skipped, nil
	}
	// A quote that nobody closes takes nothing with it, and what is meant is asked.
	got, skipped, err := read("c.tsv", "a.png\t0\t\"Stop\" says the sign\na.png\t1\t\"open\na.png\t2\tthe third\nbeach.png\t0\tsand\nCc.png\t0\tx\n")
	require.NoError(t, err)
	assert.Equal(t, []string{`a.png#0 "Stop" says the sign`, `a.png#1 "open`, "a.png#2 the third"}, got)
	assert.Contains(t, skipped, `photo "beach.png": no such photo in the folder; did you mean "trip/beach.png"? (1 captions in`)
	assert.Contains(t, skipped, `photo "Cc.png": no such photo in the folder; did you mean "`)

	got, skipped, err = read("c.jsonl", `{"image": "a.png", "caption": "good"}`+"\n"+`{"caption": "whose?"}`+"\n{bad\n")
	require.NoError(t, err)
	assert.Equal(t, []string{"a.png#0 good"}, got)
	assert.Contains(t, skipped, "c.jsonl:2: it names no photo")
	assert.Contains(t, skipped, "c.jsonl:3: invalid character")

	_, _, err = read("c.json", `{"images": [`)
	require.ErrorContains(t, err, "no JSON")
	_, _, err = read("c.csv", "")
	require.ErrorIs(t, err, ErrEmpty)
	_, skipped, err = read("c.json", `{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [{"image_id": 1, "caption": "x"}, {"image_id": 2, "caption": "y"}]}`)
	require.NoError(t, err)
	assert.Contains(t, skipped, `c.json:annotation 2: there is no image "2"`)
}

func FuzzRows(f *testing.F) {
	for _, s := range []string{"a,\"b\n\",c\n", "\"", "a\t\"\"\"\"\tc", "\xff\xfea\x00", "a\rb\rc", "\"a\n\n\"\nb"} {
		f.Add(s)
	}
	path := filepath.Join(f.TempDir(), "t.txt")
	f.Fuzz(func(t *testing.T, text string) {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		last := 0
		require.NoError(t, Rows(t.Context(), path, func(line int, cells []string, err error) {
			require.Greater(t, line, last)
			last = line
			require.True(t, err != nil || len(cells) > 0)
		}))
	})
}
