package evalcmd

import (
	"archive/zip"
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/viterin/vek/vek32"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/align"
	"github.com/aladin-go/aladin/internal/atomicfile"
	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/npy"
	"github.com/aladin-go/aladin/internal/region"
)

// A dump is an .npz with everything that the figures follow from, so that other people's models can be
// evaluated and ours analysed elsewhere:
//
//	image_ids        [N] text or integers
//	caption_ids      [M] text or integers; of the form "IMAGE#n" unless caption_image is there
//	caption_image    [M] integers: the image (0…N−1) of every caption
//	caption_texts    [M] text (optional: nDCG by ROUGE-L and duplicates need it)
//	image_matching   [N,D], caption_matching [M,D] floats (optional; taken as they are where none is
//	                 longer than 1, as models that shorten hubs leave them, else by their cosines)
//	alignment        [N,M] floats (optional)
//	match_scale      [1] float (optional): a search ranks by alignment plus this many times matching
//	label_scores     [N,M] floats (optional): what detectors' labels add to that
//	image_tokens     [ΣR,D], image_counts [N]: region vectors, ones after the other (optional)
//	caption_tokens   [ΣW,D], caption_counts [M]: word vectors
//	image_boxes      [ΣR,4] x1,y1,x2,y2 in 0…1 of width and height; caption_spans [ΣW,2] byte offsets of
//	                 every word vector in its caption's text (optional: the report's explanations)
//	image_weights    [ΣR], caption_weights [ΣW] floats (optional: 0 takes no part)
//	alignment_mode   [1] or [2] text (optional): how tokens become a score; without it each word takes its
//	                 best region (MrSw). A second text "released": padding takes part, as in the released code
//
// Without caption_image and with M a multiple of N, caption ids that are integers belong to the
// image of the same place, M/N a picture.

const releasedMode = "released"

func readDump(path string) (*data, error) {
	z, err := npy.OpenZ(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w (not an .npz archive, or cut short)", errData, err)
	}
	defer z.Close()
	r := &dumpReader{z}
	d, err := r.data()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	d.source = path
	return d, nil
}

type dumpReader struct{ z *npy.Archive }

func (r *dumpReader) data() (*data, error) {
	d := &data{}
	var err error
	if d.images, err = r.ids("image_ids"); err != nil {
		return nil, err
	}
	if d.captions, err = r.ids("caption_ids"); err != nil {
		return nil, err
	}
	if d.owner, err = r.owners(d); err != nil {
		return nil, err
	}
	if r.z.Has("caption_texts") {
		if d.texts, err = r.text("caption_texts"); err != nil {
			return nil, err
		}
	}
	if d.imageVectors, err = r.vectors("image_matching", d.images); err != nil {
		return nil, err
	}
	if d.captionVectors, err = r.vectors("caption_matching", d.captions); err != nil {
		return nil, err
	}
	d.asDumped()
	if d.imageTokens, err = r.tokens("image", d.images); err != nil {
		return nil, err
	}
	if d.captionTokens, err = r.tokens("caption", d.captions); err != nil {
		return nil, err
	}
	if r.z.Has("alignment_mode") {
		mode, err := r.text("alignment_mode")
		if err == nil && len(mode) == 0 {
			err = fmt.Errorf("%w: alignment_mode is empty", errData)
		}
		if err == nil {
			d.mode, err = align.ParseMode(mode[0], slices.Contains(mode[1:], releasedMode))
		}
		if err != nil {
			return nil, fmt.Errorf("%w: alignment_mode: %w", errData, err)
		}
	}
	if err := r.explanations(d); err != nil {
		return nil, err
	}
	for name, to := range map[string]*eval.Scores{"alignment": &d.alignment, "label_scores": &d.labelScores} {
		if err := r.scores(name, d, to); err != nil {
			return nil, err
		}
	}
	if r.z.Has("match_scale") {
		_, v, err := r.floats("match_scale", 1)
		if err != nil {
			return nil, err
		}
		if len(v) != 1 || !(v[0] >= 0) || math.IsInf(float64(v[0]), 0) {
			return nil, fmt.Errorf("%w: match_scale is %v, want one number, 0 or more", errData, v)
		}
		d.ranking = &index.Ranking{MatchScale: v[0]}
	}
	return d, d.validate()
}

// scores reads a matrix of all pairs, if there is one.
func (r *dumpReader) scores(name string, d *data, to *eval.Scores) error {
	if !r.z.Has(name) {
		return nil
	}
	shape, v, err := r.floats(name, 2)
	if err != nil {
		return err
	}
	if shape[0] != len(d.images) || shape[1] != len(d.captions) {
		return fmt.Errorf("%w: %s has shape %v, want [%d %d] (images × captions)", errData, name, shape, len(d.images), len(d.captions))
	}
	*to, err = eval.NewMatrix(shape[0], shape[1], v)
	return err
}

// array reads an array of some dimensions.
func (r *dumpReader) array(name string, dims int) (*npy.Array, error) {
	a, err := r.z.Read(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w (there are %s)", errData, err, strings.Join(r.z.Names(), ", "))
	}
	if len(a.Shape) != dims {
		return nil, fmt.Errorf("%w: array %q has shape %v, want %d dimensions", errData, name, a.Shape, dims)
	}
	return a, nil
}

func (r *dumpReader) text(name string) ([]string, error) {
	a, err := r.array(name, 1)
	if err != nil {
		return nil, err
	}
	texts, ok := a.Data.([]string)
	if !ok {
		return nil, fmt.Errorf("%w: array %q is no text", errData, name)
	}
	return texts, nil
}

// ids are texts or integers.
func (r *dumpReader) ids(name string) ([]string, error) {
	a, err := r.array(name, 1)
	if err != nil {
		return nil, err
	}
	if texts, ok := a.Data.([]string); ok {
		return texts, nil
	}
	numbers, err := a.Int64s()
	if err != nil {
		return nil, fmt.Errorf("%w: array %q: %w", errData, name, err)
	}
	var out []string
	for _, v := range numbers {
		out = append(out, strconv.FormatInt(v, 10))
	}
	return out, nil
}

func (r *dumpReader) integers(name string, dims int) (*npy.Array, []int64, error) {
	a, err := r.array(name, dims)
	if err != nil {
		return nil, nil, err
	}
	v, err := a.Int64s()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: array %q: %w", errData, name, err)
	}
	return a, v, nil
}

// owners finds the image of every caption.
func (r *dumpReader) owners(d *data) ([]int, error) {
	n, m := len(d.images), len(d.captions)
	owner := make([]int, m)
	if r.z.Has("caption_image") {
		_, v, err := r.integers("caption_image", 1)
		if err != nil {
			return nil, err
		}
		if len(v) != m {
			return nil, fmt.Errorf("%w: caption_image has %d entries for %d captions", errData, len(v), m)
		}
		for c, i := range v {
			if i < 0 || i >= int64(n) {
				return nil, fmt.Errorf("%w: caption %d (%s) belongs to image %d, but there are %d images", errData, c, d.captions[c], i, n)
			}
			owner[c] = int(i)
		}
		return owner, nil
	}
	at := make(map[string]int, n)
	for i, id := range d.images {
		at[id] = i
	}
	for c, id := range d.captions {
		image := id
		if k := strings.LastIndexByte(id, '#'); k >= 0 {
			image = id[:k]
		} else if _, err := strconv.ParseInt(id, 10, 64); err == nil && n > 0 && m%n == 0 {
			owner[c] = c / (m / n)
			continue
		}
		i, ok := at[image]
		if !ok {
			return nil, fmt.Errorf("%w: caption %d (%q) belongs to no image: there is no image %q and no array caption_image", errData, c, id, image)
		}
		owner[c] = i
	}
	return owner, nil
}

func (r *dumpReader) floats(name string, dims int) ([]int, []float32, error) {
	a, err := r.array(name, dims)
	if err != nil {
		return nil, nil, err
	}
	v, err := a.Float32s()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: array %q: %w", errData, name, err)
	}
	return a.Shape, v, nil
}

func (r *dumpReader) vectors(name string, ids []string) (eval.Vectors, error) {
	if !r.z.Has(name) {
		return eval.Vectors{}, nil
	}
	shape, v, err := r.floats(name, 2)
	if err != nil {
		return eval.Vectors{}, err
	}
	if shape[0] != len(ids) {
		return eval.Vectors{}, fmt.Errorf("%w: %s has %d rows for %d ids", errData, name, shape[0], len(ids))
	}
	out, err := eval.NewVectors(name, shape[0], shape[1], v, func(k int) string { return ids[k] })
	if err != nil {
		return eval.Vectors{}, err
	}
	return out, nil
}

// asDumped gives matching vectors the lengths by which they were compared. Models that shorten the vectors of
// hubs leave none longer than 1, and their dumps are taken as they are; any others are scaled to length 1, so
// that cosines are compared.
func (d *data) asDumped() {
	const rounding = 2e-3 // of half precision
	shorter := false
	for _, side := range []eval.Vectors{d.imageVectors, d.captionVectors} {
		for k := range side.Len() {
			length := float64(vek32.Norm(side.Row(k)))
			if length > 1+rounding {
				d.imageVectors, d.captionVectors = d.imageVectors.Normalised(), d.captionVectors.Normalised()
				return
			}
			shorter = shorter || length < 1-rounding
		}
	}
	if !shorter {
		d.imageVectors, d.captionVectors = d.imageVectors.Normalised(), d.captionVectors.Normalised()
		return
	}
	d.notes = append(d.notes, "some matching vectors are shorter than 1 and none is longer: their inner products are taken, not cosines")
}

func (r *dumpReader) tokens(side string, ids []string) (*tokens, error) {
	name := side + "_tokens"
	if !r.z.Has(name) {
		return nil, nil
	}
	shape, v, err := r.floats(name, 2)
	if err != nil {
		return nil, err
	}
	_, counts, err := r.integers(side+"_counts", 1)
	if err != nil {
		return nil, err
	}
	if len(counts) != len(ids) {
		return nil, fmt.Errorf("%w: %s_counts has %d entries for %d ids", errData, side, len(counts), len(ids))
	}
	t := &tokens{dim: shape[1], start: make([]int, len(ids)+1), data: v}
	for k, c := range counts {
		if c < 0 || c > int64(shape[0]) {
			return nil, fmt.Errorf("%w: %s_counts[%d] is %d; there are %d tokens in all", errData, side, k, c, shape[0])
		}
		t.start[k+1] = t.start[k] + int(c)
	}
	if last := t.start[len(ids)]; last != shape[0] {
		return nil, fmt.Errorf("%w: %s_counts add up to %d, but there are %d tokens", errData, side, last, shape[0])
	}
	if r.z.Has(side + "_weights") {
		if _, t.weights, err = r.floats(side+"_weights", 1); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// explanations reads where regions and words are.
func (r *dumpReader) explanations(d *data) error {
	if d.imageTokens != nil && r.z.Has("image_boxes") {
		shape, v, err := r.floats("image_boxes", 2)
		if err != nil {
			return err
		}
		if total := len(d.imageTokens.data) / d.imageTokens.dim; shape[0] != total || shape[1] != 4 {
			return fmt.Errorf("%w: image_boxes has shape %v, want [%d 4]", errData, shape, total)
		}
		d.boxes = make([][]region.Box, len(d.images))
		for i := range d.boxes {
			for k := d.imageTokens.start[i]; k < d.imageTokens.start[i+1]; k++ {
				d.boxes[i] = append(d.boxes[i], region.Box(v[4*k:4*k+4]))
			}
		}
	}
	if d.captionTokens == nil || d.texts == nil || !r.z.Has("caption_spans") {
		return nil
	}
	a, v, err := r.integers("caption_spans", 2)
	if err != nil {
		return err
	}
	if total := len(d.captionTokens.data) / d.captionTokens.dim; a.Shape[0] != total || a.Shape[1] != 2 {
		return fmt.Errorf("%w: caption_spans has shape %v, want [%d 2]", errData, a.Shape, total)
	}
	spans := make([][]word, len(d.captions))
	for c, text := range d.texts {
		for k := d.captionTokens.start[c]; k < d.captionTokens.start[c+1]; k++ {
			from, to := v[2*k], v[2*k+1]
			if from < 0 || to < from || to > int64(len(text)) {
				return fmt.Errorf("%w: caption_spans: %d…%d lies outside caption %d (%s), %d bytes long", errData, from, to, c, d.captions[c], len(text))
			}
			spans[c] = append(spans[c], word{text[from:to], int(from), int(to)})
		}
	}
	d.words = func(c int) []word { return spans[c] }
	return nil
}

// writeDump writes the arrays that d has, and the tokens too if asked. The file appears only when whole.
func writeDump(path string, d *data, alignment eval.Scores, withTokens bool) error {
	return atomicfile.Write(path, func(out io.Writer) error {
		buf := bufio.NewWriterSize(out, 1<<20)
		z := zip.NewWriter(buf)
		w := &dumpWriter{z: z}
		w.text("image_ids", d.images)
		w.text("caption_ids", d.captions)
		owner := make([]int64, len(d.owner))
		for c, i := range d.owner {
			owner[c] = int64(i)
		}
		w.array("caption_image", owner, len(owner))
		if d.texts != nil {
			w.text("caption_texts", d.texts)
		}
		if d.imageVectors.Dim > 0 {
			w.array("image_matching", d.imageVectors.Data, len(d.images), d.imageVectors.Dim)
			w.array("caption_matching", d.captionVectors.Data, len(d.captions), d.captionVectors.Dim)
		}
		if withTokens && d.imageTokens != nil {
			w.tokens("image", d.imageTokens)
			w.tokens("caption", d.captionTokens)
			w.explanations(d)
			mode := []string{d.mode.String()}
			if d.mode.Released() {
				mode = append(mode, releasedMode)
			}
			w.text("alignment_mode", mode)
		}
		if r := d.ranking; r != nil {
			w.array("match_scale", []float32{r.MatchScale}, 1)
		}
		if d.labelScores != nil {
			w.scores("label_scores", d.labelScores)
		}
		if alignment != nil {
			w.scores("alignment", alignment)
		}
		if w.err != nil {
			return w.err
		}
		if err := z.Close(); err != nil {
			return err
		}
		return buf.Flush()
	})
}

type dumpWriter struct {
	z   *zip.Writer
	err error
}

func (w *dumpWriter) entry(name string, write func(io.Writer) error) {
	if w.err != nil {
		return
	}
	e, err := w.z.CreateHeader(&zip.FileHeader{Name: name + ".npy", Method: zip.Store})
	if err == nil {
		err = write(e)
	}
	if err != nil {
		w.err = fmt.Errorf("array %q: %w", name, err)
	}
}

func (w *dumpWriter) text(name string, v []string) { w.array(name, v, len(v)) }

func (w *dumpWriter) array(name string, v any, shape ...int) {
	w.entry(name, func(e io.Writer) error { return npy.Write(e, &npy.Array{Shape: shape, Data: v}) })
}

func (w *dumpWriter) tokens(side string, t *tokens) {
	counts := make([]int64, t.items())
	for k := range counts {
		counts[k] = int64(t.start[k+1] - t.start[k])
	}
	w.array(side+"_tokens", t.data, len(t.data)/max(1, t.dim), t.dim)
	w.array(side+"_counts", counts, len(counts))
	if t.weights != nil {
		w.array(side+"_weights", t.weights, len(t.weights))
	}
}

func (w *dumpWriter) explanations(d *data) {
	if d.boxes != nil {
		boxes := make([]float32, 4*(len(d.imageTokens.data)/d.imageTokens.dim))
		for i, list := range d.boxes { // null tokens may have no box
			for k, b := range list {
				copy(boxes[4*(d.imageTokens.start[i]+k):], b[:])
			}
		}
		w.array("image_boxes", boxes, len(boxes)/4, 4)
	}
	if d.words != nil {
		spans := make([]int64, 2*(len(d.captionTokens.data)/d.captionTokens.dim))
		for c := range d.captions {
			for k, x := range d.words(c) {
				at := 2 * (d.captionTokens.start[c] + k)
				spans[at], spans[at+1] = int64(x.start), int64(x.end)
			}
		}
		w.array("caption_spans", spans, len(spans)/2, 2)
	}
}

// scores writes the matrix a few rows at a time: it need not fit in memory.
func (w *dumpWriter) scores(name string, s eval.Scores) {
	w.entry(name, func(e io.Writer) error {
		n, m := s.Dims()
		return npy.WriteMatrix(e, n, m, func(i int, row []float32) error { return s.Rows([]int{i}, row) })
	})
}
