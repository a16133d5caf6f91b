package evalcmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/region"
)

const instances = `{"images": [{"id": 7, "file_name": "val/a.jpg", "width": 200, "height": 100}],
 "categories": [{"id": 1, "name": "person"}, {"id": 18, "name": "Dog"}],
 "annotations": [{"image_id": 7, "category_id": 18, "bbox": [20, 10, 100, 50], "segmentation": [[1, 2]]},
  {"image_id": 7, "category_id": 1, "bbox": [0, 0, 20, 20]}, {"image_id": 7, "category_id": 18, "bbox": [0, 0, 9, 9], "iscrowd": 1}]}`

// Words that name an annotated object have its boxes; crowds, other words and other photos have none.
func TestBoxes(t *testing.T) {
	b, err := parseBoxes(strings.NewReader(instances))
	require.NoError(t, err)
	dog, person := []region.Box{{0.1, 0.1, 0.6, 0.6}}, []region.Box{{0, 0, 0.1, 0.2}}
	require.Equal(t, boxesOf{"a.jpg": {"dog": dog, "person": person}}, b)
	d := &data{images: []string{"x/a.jpg", "b.jpg"}, captions: []string{"0", "1", "2"}, owner: []int{0, 1, 0},
		texts: []string{"Two men and dogs .", "A dog .", "A dogged hotdog"}}
	b.mention(d)
	require.Equal(t, [][]mention{{{4, 7, person}, {12, 16, dog}}, nil, nil}, d.mentions)

	for bad, want := range map[string]string{
		"{}": "0 images", "[": "unexpected EOF",
		strings.Replace(instances, `"width": 200`, `"width": 0`, 1):             "no size",
		strings.Replace(instances, `"category_id": 1,`, `"category_id": 2,`, 1): "category 2",
		strings.Replace(instances, `[0, 0, 20, 20]`, `[0, 0, -1, 2]`, 1):        "has the box",
	} {
		_, err := parseBoxes(strings.NewReader(bad))
		require.ErrorContains(t, err, want)
	}
}

// The command measures grounding wherever boxes are known, of words that name what is annotated.
func TestGroundingByBoxes(t *testing.T) {
	d := synthetic(30, 1, 0.05)
	a := annotations{}
	classes := map[string]int{}
	for i, id := range d.images {
		a.Images = append(a.Images, struct {
			ID     json.Number `json:"id"`
			File   string      `json:"file_name"`
			Width  float64     `json:"width"`
			Height float64     `json:"height"`
		}{json.Number(fmt.Sprint(i)), id, 100, 100})
	}
	for c, i := range d.owner {
		for k, w := range d.words(c) {
			if w.text == "" || c > 0 && d.owner[c-1] == i {
				continue
			}
			if _, ok := classes[w.text]; !ok {
				classes[w.text] = len(classes)
				a.Categories = append(a.Categories, struct {
					ID   json.Number `json:"id"`
					Name string      `json:"name"`
				}{json.Number(fmt.Sprint(classes[w.text])), w.text})
			}
			b := d.boxes[i][k]
			a.Objects = append(a.Objects, struct {
				Image    json.Number `json:"image_id"`
				Category json.Number `json:"category_id"`
				Box      []float64   `json:"bbox"`
				Crowd    int         `json:"iscrowd"`
			}{json.Number(fmt.Sprint(i)), json.Number(fmt.Sprint(classes[w.text])),
				[]float64{100 * float64(b[0]), 100 * float64(b[1]), 100 * float64(b[2]-b[0]), 100 * float64(b[3]-b[1])}, 0})
		}
	}
	dir := t.TempDir()
	dump, boxes := filepath.Join(dir, "a.npz"), filepath.Join(dir, "instances.json")
	require.NoError(t, writeDump(dump, d, nil, true))
	text, err := json.Marshal(a)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(boxes, text, 0o644))
	doc := evaluated(t, "--embeddings", dump, "--boxes", boxes)
	require.Greater(t, doc["grounding"], 0.9)
	detail := doc["grounding_detail"].(map[string]any)
	require.Greater(t, detail["words"], 80.)
	require.InDelta(t, 1./3, detail["chance"], 0.02)
	require.NotContains(t, evaluated(t, "--embeddings", dump), "grounding")
	require.NoError(t, os.WriteFile(boxes, []byte("{}"), 0o644))
	var out, errs bytes.Buffer
	require.NotZero(t, Program.Run(t.Context(), []string{"--embeddings", dump, "--boxes", boxes}, &out, &errs))
	require.Contains(t, errs.String(), "instances.json")
}

func FuzzBoxes(f *testing.F) {
	f.Add(instances)
	f.Fuzz(func(t *testing.T, s string) {
		b, err := parseBoxes(strings.NewReader(s))
		require.True(t, err != nil || b != nil)
	})
}
