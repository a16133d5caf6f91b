package vinvl

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/shelve"
)

func TestMerge(t *testing.T) {
	fast := &Objects{Objects: []Object{
		{"dog", [4]float32{0, 0, 10, 10}, 0.3},
		{"dog", [4]float32{0, 0, 10, 9}, 0.4},    // the same dog, more confident
		{"cat", [4]float32{0, 0, 10, 10}, 0.2},   // the same place, another class
		{"dog", [4]float32{50, 50, 60, 60}, 0.5}, // another dog
	}}
	det := &Objects{Objects: []Object{
		{"guide_dog", [4]float32{0, 0, 10, 10}, 0.99},   // shares the word dog: Faster R-CNN wins
		{"frisbee", [4]float32{0, 0, 10, 10}, 0.9},      // only Detic sees it
		{"guide_dog", [4]float32{100, 0, 110, 10}, 0.8}, // nothing of Faster R-CNN there
		{"frisbee", [4]float32{0, 1, 10, 10}, 0.95},     // beats the other frisbee
		{"dogsled", [4]float32{50, 50, 60, 60}, 0.1},    // part of a word is no word
	}}
	s := Stats{FastMean: 0.3, FastStd: 0.1, DetMean: 0.9, DetStd: 0.05}
	var got []string
	for _, m := range Merge(fast, det, s) {
		o := pick(m, fast, det).Objects[m.Index]
		got = append(got, fmt.Sprintf("%s %v %d %.1f", o.Class, m.Detic, m.Index, m.ZScore))
	}
	want := []string{
		"dog false 3 2.0", "dog false 1 1.0", "frisbee true 3 1.0",
		"cat false 2 -1.0", "guide_dog true 2 -2.0", "dogsled true 4 -16.0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	require.Empty(t, Merge(&Objects{}, &Objects{}, s))
	require.Len(t, Merge(fast, &Objects{}, Stats{}), 3)
	var many Objects
	for i := range 150 {
		many.Objects = append(many.Objects, Object{"dot", [4]float32{float32(2 * i), 0, float32(2*i + 1), 1}, float64(i)})
	}
	merged := Merge(&Objects{}, &many, s)
	require.Len(t, merged, 100)
	require.Equal(t, 149, merged[0].Index)
}

func TestUnifyClasses(t *testing.T) {
	fast := []string{"bell tower", "red pepper", "dog", "dog", "tower of brick"}
	det := []string{"bell_pepper", "dog", "tower", "of", "hot_dog", "mouse_(dog_toy)", "lamp", "lamp"}
	got := unifyClasses(fast, det)
	require.Equal(t, []int{0, 1, 2, 2, 3}, got[:5])
	ids := got[5:]
	require.Equal(t, 1, ids[0], "the head noun counts before what stands before it")
	require.Equal(t, 2, ids[1])
	require.Equal(t, 0, ids[2], "the first class with the word")
	require.NotContains(t, []int{0, 1, 2, 3}, ids[3], "of means nothing")
	require.Equal(t, 2, ids[4])
	require.Equal(t, 2, ids[5], "the description serves when the name does not")
	require.NotContains(t, []int{0, 1, 2, 3}, ids[6])
	require.Equal(t, ids[6], ids[7])
}

// bothDetectors writes a folder with detections of Faster R-CNN (8 features a region: 2 + 6) and Detic (1 + 6).
func bothDetectors(tb testing.TB) string {
	tb.Helper()
	dir := folder(tb, 2, func(f, p []string) {
		f[0] = "0\t2\t" + encode(1, 2, 0, 0, .5, .5, .5, .5, 3, 4, .5, .5, 1, 1, .5, .5)
		p[0] = `0	{"image_h": 100, "image_w": 200, "objects": [
			{"class": "dog", "rect": [0, 0, 100, 50], "conf": 0.9}, {"class": "tree", "rect": [100, 50, 200, 100], "conf": 0.3}]}`
		p[0] = strings.Join(strings.Fields(strings.Replace(p[0], "0\t", "0 ", 1)), " ")
		p[0] = strings.Replace(p[0], "0 ", "0\t", 1)
	})
	rows := []string{
		`0	{"image_h": 100, "image_w": 200, "objects": [{"class": "dog", "rect": [0, 0, 100, 48], "conf": 0.8}, {"class": "ball_(toy)", "rect": [20, 10, 240, 90], "conf": 0.6}]}	` + encode(7, 8),
		`1	{"image_h": 10, "image_w": 20, "objects": []}	`,
	}
	require.NoError(tb, os.WriteFile(filepath.Join(dir, "detic.tsv"), []byte(strings.Join(rows, "\n")+"\n"), 0o644))
	return dir
}

func TestDetectionTypes(t *testing.T) {
	dir := bothDetectors(t)
	stats := &Stats{FastMean: 0.5, FastStd: 0.1, DetMean: 0.5, DetStd: 0.1} // z: dog 4, tree -2, ball 1
	dog := []float32{1, 2, 0, 0, .5, .5, .5, .5}
	tree := []float32{3, 4, .5, .5, 1, 1, .5, .5}
	detDog := []float32{7, 0, 0, .5, .48, .48, .5}
	ball := []float32{8, .1, .1, 1, .9, .8, .9} // cut at the picture's edge
	for _, c := range []struct {
		name string
		dim  int
		want [][]float32
		tags string
	}{
		{"fast", 8, [][]float32{dog, tree}, "dog tree"},
		{"det", 7, [][]float32{detDog, ball}, "dog ball_(toy)"},
		{"det_padded", 8, [][]float32{append(detDog[:7:7], 0), append(ball[:7:7], 0)}, "dog ball_(toy)"},
		{"det+fast", 8, [][]float32{dog, append(ball[:7:7], 0), tree}, "dog ball_(toy) tree"},
		{"det+fast_labels", 8, [][]float32{dog, tree}, "dog ball_(toy) tree"},
		{"fast+det_labels", 8, [][]float32{dog, tree}, "dog ball_(toy)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			kind, err := ParseDetection(c.name)
			require.NoError(t, err)
			require.Equal(t, c.name, kind.String())
			d := open(t, dir, &Options{Detection: kind, Stats: stats})
			require.Equal(t, c.dim, d.Dim())
			img, err := d.Image("0")
			require.NoError(t, err)
			require.NoError(t, img.Set.Validate())
			require.Equal(t, c.tags, strings.Join(img.Set.ObjectTags(), " "))
			require.Equal(t, len(c.want), img.Set.Len())
			for i, w := range c.want {
				require.InDeltaSlice(t, w, img.Set.Row(i), 1e-6)
			}
			require.Equal(t, []int{200, 100}, []int{img.Set.Width, img.Set.Height})
			for i, b := range img.Set.Boxes {
				row := c.want[i]
				at := len(row) - boxNumbers // of Faster R-CNN; Detic's numbers stand before the padding
				if row[0] >= 7 {
					at = 1
				}
				require.InDeltaSlice(t, row[at:at+4], b[:], 1e-6)
			}

			img, err = d.Image("1") // Detic saw nothing in it
			if kind.fastRegions() {
				require.NoError(t, err)
				require.Equal(t, 1, img.Set.Len())
			} else {
				require.ErrorIs(t, err, ErrNoRegions)
			}
		})
	}
	_, err := ParseDetection("slow")
	require.ErrorIs(t, err, ErrDetection)
	none, err := ParseDetection("")
	require.NoError(t, err)
	require.Equal(t, Fast, none)
}

func TestMeasure(t *testing.T) {
	d := open(t, bothDetectors(t), &Options{Detection: DetFast})
	s := d.Stats() // 0.9 0.3 0.5 and 0.8 0.6
	require.InDelta(t, 1.7/3, s.FastMean, 1e-9)
	require.InDelta(t, 0.2494438, s.FastStd, 1e-6)
	require.InDelta(t, 0.7, s.DetMean, 1e-9)
	require.InDelta(t, 0.1, s.DetStd, 1e-9)
	_, err := Open(context.Background(), folder(t, 2, nil), &Options{Detection: Det})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestPaddedBoxesAreDetics(t *testing.T) {
	d := open(t, bothDetectors(t), &Options{Detection: DetPadded, Dim: 12})
	img, err := d.Image("0")
	require.NoError(t, err)
	require.Equal(t, 12, img.Set.Dim)
	require.Equal(t, region.Box{0, 0, .5, .48}, img.Set.Boxes[0])
}

func FuzzObjects(f *testing.F) {
	f.Add([]byte(`{"image_h": 1, "image_w": 2, "objects": [{"class": "a", "rect": [1,2,3,4], "conf": 0.5}]}`))
	f.Add([]byte(`[{"class": "a", "rect": [1,2,3,4]}]`))
	f.Add([]byte(`{"objects": [null]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := parseObjects(text)
		if err != nil {
			return
		}
		for i := range o.Objects {
			for _, v := range o.box(i) {
				if !(v >= 0 && v <= 1) {
					t.Fatalf("box %v", o.box(i))
				}
			}
		}
		Merge(o, o, Stats{})
		if _, err := json.Marshal(o); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzFeatureRow(f *testing.F) {
	f.Add([]byte("1\t1\t" + encode(1, 2, 3, 4, 5, 6, 7)))
	f.Add([]byte("1\t0\t"))
	f.Add([]byte("1\t{\"image_h\":1,\"image_w\":1,\"objects\":[{\"class\":\"a\"}]}\t" + encode(1)))
	f.Fuzz(func(t *testing.T, line []byte) {
		if _, tab, err := parseFeatures(append([]byte(nil), line...)); err == nil {
			if len(tab.data) != tab.rows*tab.dim {
				t.Fatalf("%d numbers for %d×%d", len(tab.data), tab.rows, tab.dim)
			}
			if tab.dim > boxNumbers {
				tab.boxes()
			}
		}
		if _, o, tab, err := parseDetic(append([]byte(nil), line...)); err == nil && tab.rows != len(o.Objects) {
			t.Fatalf("%d rows for %d objects", tab.rows, len(o.Objects))
		}
	})
}

// FuzzFolder opens folders made of arbitrary files and reads all that they claim to hold.
func FuzzFolder(f *testing.F) {
	f.Add("0\t1\t"+encode(1, 2, 3, 4, 5, 6, 7, 8)+"\n", "0\t[{\"class\":\"a\"}]\n", "0\n", "0\n", `{"0":0}`)
	f.Add("0\t1\t"+encode(1, 2, 3, 4, 5, 6, 7, 8)+"\r\n1\t0\t", "1\t[]\n0\t[{}]", "", "-", "-")
	f.Fuzz(func(t *testing.T, features, predictions, lineidx, predidx, ids string) {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"features.tsv": features, "predictions.tsv": predictions,
			"features.lineidx": lineidx, "predictions.lineidx": predidx, "imageid2idx.json": ids,
		} {
			if text != "-" {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		d, err := Open(context.Background(), dir, &Options{OnBad: func(*RowError) error { return nil }})
		if err != nil {
			return
		}
		defer d.Close()
		for img, err := range d.Images(context.Background(), d.IDs()) {
			if err == nil {
				err = img.Set.Validate()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

// detic.gnu is a shelve of Python's, whose numbers are NumPy's, lists and tuples.
func TestWriteDetic(t *testing.T) {
	shelf, err := shelve.Open(filepath.Join("testdata", "detic.gnu"))
	require.NoError(t, err)
	defer shelf.Close()
	var b bytes.Buffer
	require.NoError(t, WriteDetic(t.Context(), &b, shelf, nil))
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	require.Len(t, lines, 3)
	slices.Sort(lines)
	id, objects, features, err := parseDetic([]byte(lines[2]))
	require.NoError(t, err)
	require.Equal(t, "102", id)
	require.Equal(t, []float32{642, 480}, []float32{float32(objects.Width), float32(objects.Height)})
	var classes []string
	for _, o := range objects.Objects {
		classes = append(classes, o.Class)
	}
	require.Equal(t, []string{"dog", "traffic light", "grass"}, classes)
	require.Equal(t, 3, features.rows)
	require.Equal(t, []float32{2, 3, 4, 5, 0, 0.5, 1, 1.5, 1, 1, 1, 1}, features.data)

	for _, bad := range []string{"", "N.", "}.", "\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.", "}X\x07\x00\x00\x00objects]s."} {
		_, _, err := parseShelfRow([]byte(bad))
		require.Error(t, err, "%q", bad)
	}
}
