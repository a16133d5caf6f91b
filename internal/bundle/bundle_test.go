package bundle

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func sample() Manifest {
	return Manifest{
		Name: "tiny", Description: "for <tests> & nothing else",
		Dims: Dims{Embed: 32, Region: 48}, Lengths: Lengths{Caption: 16, Labels: 8, Regions: 9},
		Tokenizer: Tokenizer{Kind: WordPiece, File: VocabFile, Lowercase: true},
		Regions:   Regions{Kind: ONNX, Config: json.RawMessage(`{"size": 64, "mean": [0.50, 1e-3], "a": null}`)},
		Alignment: "MrSw",
		Quirks:    Quirks{FirstLabelToken: "[UNK]", DropLastPiece: true, NullRegion: true},
		Training:  json.RawMessage(`{"epochs": 3}`),
	}
}

func sampleFiles() map[string]func(io.Writer) error {
	files := map[string]func(io.Writer) error{}
	for _, name := range []string{TextFile, "text.onnx.data", ImageFile, AlignFile, VocabFile, RegionsFile} {
		files[name] = FromBytes([]byte("contents of " + name))
	}
	return files
}

func create1(t *testing.T) (string, *Bundle) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tiny.model")
	b, err := Create(dir, sample(), sampleFiles())
	require.NoError(t, err)
	return dir, b
}

func TestRoundTrip(t *testing.T) {
	dir, made := create1(t)
	b, err := Open(dir)
	require.NoError(t, err)
	assert.Empty(t, cmp.Diff(made.Manifest, b.Manifest), "(-made +opened)")
	assert.Equal(t, made.Fingerprint(), b.Fingerprint())
	assert.Equal(t, []string{AlignFile, ImageFile, RegionsFile, TextFile, "text.onnx.data", VocabFile}, b.Files())
	assert.Equal(t, dir, b.Dir())
	require.NoError(t, b.Verify(t.Context()))
	p, err := b.Path(TextFile)
	require.NoError(t, err)
	got, err := os.ReadFile(p)
	require.NoError(t, err)
	assert.Equal(t, "contents of text.onnx", string(got))
	_, err = b.Path("other.onnx")
	assert.ErrorIs(t, err, ErrNoFile)
	assert.Equal(t, "[UNK]", b.Manifest.Quirks.FirstToken())
	assert.Equal(t, "[CLS]", Quirks{}.FirstToken())

	entries, err := os.ReadDir(filepath.Dir(dir))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "no temporary folder stays")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, b.Verify(ctx), context.Canceled)
}

// The bytes of model.json, and with them fingerprints, must not change by accident.
func TestGoldenManifest(t *testing.T) {
	dir, b := create1(t)
	got, err := os.ReadFile(filepath.Join(dir, ManifestFile))
	require.NoError(t, err)
	golden := filepath.Join("testdata", "model.golden.json")
	if *update {
		require.NoError(t, os.WriteFile(golden, got, 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Empty(t, cmp.Diff(string(want), string(got)), "(-want +got)")
	assert.Equal(t, "tiny@83e54edfd63b83b9d2019ae9c4c6ffc9", b.Fingerprint())
	assert.Equal(t, [2]int{1, 3}, [2]int{MinVersion, Version})
}

func TestFingerprint(t *testing.T) {
	_, b := create1(t)
	print := func(change func(*Manifest)) string {
		m := b.Manifest
		change(&m)
		f, err := m.Fingerprint()
		require.NoError(t, err)
		return f
	}
	for name, same := range map[string]func(*Manifest){
		"description": func(m *Manifest) { m.Description = "another" },
		"training":    func(m *Manifest) { m.Training = nil },
		"network":     func(m *Manifest) { m.Network = json.RawMessage(`{}`) },
		"calibration": func(m *Manifest) {
			m.Format, m.Calibration = 3, &Calibration{MatchWeight: 1, AlignSpread: 1, MatchSpread: 1}
		},
		"key order": func(m *Manifest) { m.Regions.Config = json.RawMessage(`{"a":null,"mean":[0.50,1e-3],"size":64}`) },
	} {
		assert.Equal(t, b.Fingerprint(), print(same), name)
	}
	for name, other := range map[string]func(*Manifest){
		"name":   func(m *Manifest) { m.Name = "big" },
		"dims":   func(m *Manifest) { m.Dims.Embed++ },
		"quirk":  func(m *Manifest) { m.Quirks.FirstLabelToken = "" },
		"config": func(m *Manifest) { m.Regions.Config = json.RawMessage(`{"size": 65}`) },
		"file":   func(m *Manifest) { m.Files = map[string]File{VocabFile: {}} },
		"tower":  func(m *Manifest) { m.CLIP = &TextTower{Labels: 512} },
	} {
		assert.NotEqual(t, b.Fingerprint(), print(other), name)
	}
}

func TestCorruption(t *testing.T) {
	edit := func(from, to string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			p := filepath.Join(dir, ManifestFile)
			b, err := os.ReadFile(p)
			require.NoError(t, err)
			require.Contains(t, string(b), from)
			require.NoError(t, os.WriteFile(p, []byte(strings.Replace(string(b), from, to, 1)), 0o600))
		}
	}
	for name, c := range map[string]struct {
		harm func(t *testing.T, dir string)
		is   error
		want string
	}{
		"no model.json": {func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, ManifestFile))) }, ErrNotBundle, "model.json"},
		"not JSON":      {edit("{", "<"), ErrCorrupt, "line 1"},
		"cut JSON": {func(t *testing.T, dir string) {
			require.NoError(t, os.Truncate(filepath.Join(dir, ManifestFile), 200))
		}, ErrCorrupt, "unexpected end"},
		"wrong type":    {edit(`"embed": 32`, `"embed": "32"`), ErrCorrupt, "embed"},
		"unknown field": {edit(`"embed": 32`, `"embed": 32, "embde": 32`), ErrCorrupt, "embde"},
		"newer version": {edit(`"format": 1`, `"format": 4`), ErrVersion, "version 4, this program reads 1 to 3"},
		"no version":    {edit(`"format": 1,`, ``), ErrVersion, "version 0"},
		"bad name":      {edit(`"name": "tiny"`, `"name": "ti ny"`), ErrCorrupt, "ti ny"},
		"zero dim":      {edit(`"embed": 32`, `"embed": 0`), ErrCorrupt, "dims.embed is 0"},
		"huge dim":      {edit(`"region": 48`, `"region": 99999999`), ErrCorrupt, "dims.region"},
		"length":        {edit(`"caption": 16`, `"caption": 2`), ErrCorrupt, "lengths.caption is 2"},
		"tokenizer":     {edit(`"kind": "wordpiece"`, `"kind": "bpe"`), ErrCorrupt, "tokenizer.kind"},
		"vocabulary":    {edit(`"file": "vocab.txt"`, `"file": "words.txt"`), ErrCorrupt, "words.txt"},
		"regions":       {edit(`"kind": "onnx"`, `"kind": "magic"`), ErrCorrupt, "regions.kind"},
		"alignment":     {edit(`"MrSw"`, `"mrsw"`), ErrCorrupt, "alignment"},
		"quirk":         {edit(`[UNK]`, `[SEP]`), ErrCorrupt, "first_label_token"},
		"path outside":  {edit(`"text.onnx.data": {`, `"../../passwd": {`), ErrCorrupt, "../../passwd"},
		"negative size": {edit(`"size": 21`, `"size": -1`), ErrCorrupt, "size"},
		"bad checksum":  {edit(`"sha256": "`, `"sha256": "x`), ErrCorrupt, "malformed"},
		"file missing":  {func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, AlignFile))) }, ErrCorrupt, "align.onnx"},
		"file cut": {func(t *testing.T, dir string) {
			require.NoError(t, os.Truncate(filepath.Join(dir, ImageFile), 3))
		}, ErrCorrupt, "image.onnx has 3 bytes"},
		"a folder": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, AlignFile)))
			require.NoError(t, os.Mkdir(filepath.Join(dir, AlignFile), 0o755))
		}, ErrCorrupt, "align.onnx is no regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := create1(t)
			c.harm(t, dir)
			_, err := Open(dir)
			require.ErrorIs(t, err, c.is)
			assert.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, dir)
		})
	}
	t.Run("flipped bit", func(t *testing.T) {
		dir, _ := create1(t)
		p := filepath.Join(dir, "text.onnx.data")
		b, err := os.ReadFile(p)
		require.NoError(t, err)
		b[3] ^= 1
		require.NoError(t, os.WriteFile(p, b, 0o600))
		opened, err := Open(dir)
		require.NoError(t, err)
		require.ErrorIs(t, opened.Verify(t.Context()), ErrCorrupt)
		_, err = opened.Path(ImageFile)
		require.NoError(t, err)
		regions, err := opened.RegionsDir()
		require.NoError(t, err)
		assert.Equal(t, dir, regions)
		_, err = opened.Path(TextFile)
		require.ErrorIs(t, err, ErrCorrupt, "external data are checked with their graph")
		assert.ErrorContains(t, err, "text.onnx.data has sha256")
	})
	t.Run("flipped bit of the detector", func(t *testing.T) {
		dir, _ := create1(t)
		require.NoError(t, os.WriteFile(filepath.Join(dir, RegionsFile), []byte("contents of regions.onnY"), 0o600))
		opened, err := Open(dir)
		require.NoError(t, err)
		_, err = opened.RegionsDir()
		assert.ErrorIs(t, err, ErrCorrupt)
	})
	t.Run("absent", func(t *testing.T) {
		_, err := Open(filepath.Join(t.TempDir(), "none"))
		assert.ErrorIs(t, err, ErrNotBundle)
	})
}

func TestCreateReplaces(t *testing.T) {
	dir, old := create1(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("mine"), 0o600))
	files := sampleFiles()
	files[TextFile] = FromFile(filepath.Join(dir, VocabFile)) // from the very folder that is replaced
	b, err := Create(dir+"/", sample(), files)
	require.NoError(t, err)
	assert.NotEqual(t, old.Fingerprint(), b.Fingerprint())
	require.NoError(t, b.Verify(t.Context()))
	notes, err := os.ReadFile(filepath.Join(dir, "notes.txt"))
	require.NoError(t, err)
	assert.Equal(t, "mine", string(notes))
	entries, err := os.ReadDir(filepath.Dir(dir))
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}

// The way of systems without an exchange leads to the same end, and an interruption in it is explained.
func TestReplaceInTwoSteps(t *testing.T) {
	dir, old := create1(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("mine"), 0o600))
	tmp := sibling(dir, "new")
	require.NoError(t, os.Mkdir(tmp, 0o755))
	m := sample()
	m.Name = "second"
	require.NoError(t, fill(tmp, m, sampleFiles()))
	require.NoError(t, replace(tmp, dir, &old.Manifest))
	b, err := Open(dir)
	require.NoError(t, err)
	assert.Equal(t, "second", b.Manifest.Name)
	assert.FileExists(t, filepath.Join(dir, "notes.txt"))

	aside := sibling(dir, "old")
	require.NoError(t, os.Rename(dir, aside))
	_, err = Open(dir)
	require.ErrorIs(t, err, ErrNotBundle)
	assert.ErrorContains(t, err, aside)
}

func TestCreateFailsSafely(t *testing.T) {
	full := errors.New("no space left on device")
	for name, c := range map[string]struct {
		m     func(*Manifest)
		files func(map[string]func(io.Writer) error)
		is    error
		want  string
	}{
		"disk full": {nil, func(f map[string]func(io.Writer) error) {
			f[TextFile] = func(w io.Writer) error { _, _ = w.Write(make([]byte, 100)); return full }
		}, full, TextFile},
		"bad name":    {func(m *Manifest) { m.Name = "" }, nil, ErrInvalid, "name"},
		"bad file":    {nil, func(f map[string]func(io.Writer) error) { f["a/b"] = FromBytes(nil) }, ErrInvalid, "a/b"},
		"own file":    {nil, func(f map[string]func(io.Writer) error) { f[ManifestFile] = FromBytes(nil) }, ErrInvalid, ManifestFile},
		"no vocab":    {nil, func(f map[string]func(io.Writer) error) { delete(f, VocabFile) }, ErrInvalid, VocabFile},
		"no detector": {nil, func(f map[string]func(io.Writer) error) { delete(f, RegionsFile) }, ErrInvalid, RegionsFile},
		"no tower":    {func(m *Manifest) { m.CLIP = &TextTower{Tower: "clip.onnx", Merges: VocabFile, Labels: 4} }, nil, ErrInvalid, `"clip.onnx", which clip names`},
		"idle tower":  {func(m *Manifest) { m.CLIP = &TextTower{Tower: RegionsFile, Merges: VocabFile} }, nil, ErrInvalid, "no file serves it"},
		"sizeless tower": {func(m *Manifest) {
			m.CLIP, m.Regions.Kind = &TextTower{Tower: RegionsFile, Merges: VocabFile, Labels: -1}, Precomputed
		}, nil, ErrInvalid, "clip.captions and clip.labels are 0 and -1"},
		"bad config": {func(m *Manifest) { m.Regions.Config = json.RawMessage(`{`) }, nil, ErrInvalid, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, old := create1(t)
			m, files := sample(), sampleFiles()
			if c.m != nil {
				c.m(&m)
			}
			if c.files != nil {
				c.files(files)
			}
			_, err := Create(dir, m, files)
			require.ErrorIs(t, err, c.is)
			assert.ErrorContains(t, err, c.want)
			b, err := Open(dir)
			require.NoError(t, err)
			assert.Equal(t, old.Fingerprint(), b.Fingerprint(), "the old model stays")
			require.NoError(t, b.Verify(t.Context()))
			entries, err := os.ReadDir(filepath.Dir(dir))
			require.NoError(t, err)
			assert.Len(t, entries, 1, "nothing half-done stays")
		})
	}
}

func TestCreateRefusesForeignFolders(t *testing.T) {
	dir := t.TempDir()
	photo := filepath.Join(dir, "photo.jpg")
	require.NoError(t, os.WriteFile(photo, []byte("dear"), 0o600))
	_, err := Create(dir, sample(), sampleFiles())
	require.ErrorIs(t, err, ErrNotBundle)
	assert.FileExists(t, photo)

	dir, _ = create1(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, ManifestFile), []byte("{}"), 0o600))
	_, err = Create(dir, sample(), sampleFiles())
	require.ErrorIs(t, err, ErrVersion)
	assert.ErrorContains(t, err, "not replaced")

	empty := t.TempDir()
	_, err = Create(empty, sample(), sampleFiles())
	assert.NoError(t, err)
}

func TestDeterministic(t *testing.T) {
	read := func(dir string) map[string]string {
		m := map[string]string{}
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			b, err := os.ReadFile(filepath.Join(dir, e.Name()))
			require.NoError(t, err)
			m[e.Name()] = string(b)
		}
		return m
	}
	a, _ := create1(t)
	b, _ := create1(t)
	assert.Empty(t, cmp.Diff(read(a), read(b)))
}

func TestSkeleton(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "skeleton")
	m := Manifest{Name: "skeleton", Dims: Dims{Region: 1280}, Regions: Regions{Kind: ONNX}}
	b, err := Create(dir, m, map[string]func(io.Writer) error{RegionsFile: FromBytes([]byte("onnx"))})
	require.NoError(t, err)
	assert.False(t, b.Manifest.Encodes())
	_, err = b.Path(TextFile)
	require.ErrorIs(t, err, ErrNoFile)
	assert.ErrorContains(t, err, "skeleton")
}

func TestStaleTemporariesGo(t *testing.T) {
	dir, _ := create1(t)
	stale, fresh := sibling(dir, "new"), sibling(dir, "new")
	require.NoError(t, os.Mkdir(stale, 0o755))
	require.NoError(t, os.Mkdir(fresh, 0o755))
	yesterday := time.Now().Add(-24 * time.Hour)
	require.NoError(t, os.Chtimes(stale, yesterday, yesterday))
	_, err := Create(dir, sample(), sampleFiles())
	require.NoError(t, err)
	assert.NoDirExists(t, stale)
	assert.DirExists(t, fresh)
}

func FuzzParse(f *testing.F) {
	golden, err := os.ReadFile(filepath.Join("testdata", "model.golden.json"))
	require.NoError(f, err)
	f.Add(string(golden))
	f.Add(`{"format":1}`)
	f.Fuzz(func(t *testing.T, s string) {
		m, err := parse(strings.NewReader(s))
		if err != nil {
			assert.True(t, errors.Is(err, ErrCorrupt) || errors.Is(err, ErrVersion), "%v", err)
			return
		}
		b, err := m.encode()
		require.NoError(t, err)
		again, err := parse(strings.NewReader(string(b)))
		require.NoError(t, err)
		b2, err := again.encode()
		require.NoError(t, err)
		assert.Equal(t, string(b), string(b2), "the canonical form is a fixed point")
	})
}

// A model is calibrated, calibrated again and no longer; it stays the same model. Calibrations that are none are refused.
func TestCalibrate(t *testing.T) {
	dir, made := create1(t)
	c := &Calibration{Images: 10, Captions: 50, MatchWeight: 0.5, AlignSpread: 0.3, MatchSpread: 0.1}
	b, err := made.Calibrate(c, nil)
	require.NoError(t, err)
	assert.Equal(t, 3, b.Manifest.Format)
	assert.InDelta(t, 1.5, c.MatchScale(), 1e-6)
	b, err = Open(dir)
	require.NoError(t, err)
	assert.Equal(t, c, b.Manifest.Calibration)
	assert.Equal(t, made.Fingerprint(), b.Fingerprint())
	require.NoError(t, b.Verify(t.Context()))

	for _, bad := range []Calibration{
		{Images: -1, AlignSpread: 1, MatchSpread: 1},
		{MatchWeight: -1, AlignSpread: 1, MatchSpread: 1},
		{MatchWeight: math.NaN(), AlignSpread: 1, MatchSpread: 1},
		{MatchWeight: 1, AlignSpread: 0, MatchSpread: 1},
		{MatchWeight: 1, AlignSpread: 1, MatchSpread: math.Inf(1)},
	} {
		_, err := b.Calibrate(&bad, nil)
		require.ErrorIs(t, err, ErrInvalid, "%+v", bad)
	}
	b, err = b.Calibrate(nil, nil)
	require.NoError(t, err)
	assert.Equal(t, made.Manifest, b.Manifest)
}
