package evalcmd

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/npy"
)

// truths are what people say of pairs, in files of their own. Parts are nil where there is no file.
type truths struct {
	right     *eval.Relation // for mAP@R and R-Precision
	judgments *judgments
}

// readTruths reads the files that name images and captions. Of d it needs the ids and texts alone, so that a file
// which names others is found out before any work is done.
func (s *settings) readTruths(d *data) (t *truths, err error) {
	t = &truths{}
	if s.relevant != "" {
		if t.right, err = readRelevant(s.relevant, d); err != nil {
			return nil, err
		}
	}
	if s.judgments != "" {
		t.judgments, err = readJudgments(s.judgments, d)
	}
	return t, err
}

// readRelevance reads a captions × images matrix: an .npy file, or bare float32 values, which is what
// the files of TERN and ALADIN are in spite of their name (numpy memory maps have no header).
func readRelevance(path string, images, captions int) (eval.Relevance, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	shape := []int{captions, images}
	var values []float32
	a, err := npy.ReadFile(path)
	switch {
	case err == nil:
		shape = a.Shape
		if values, err = a.Float32s(); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", errData, path, err)
		}
	case errors.Is(err, npy.ErrFormat) && st.Size() == 4*int64(images)*int64(captions):
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		values = elem.Load[float32](b)
	default:
		return nil, fmt.Errorf("%w: %s: neither an .npy file nor %d × %d bare float32 values (%d bytes, want %d): %w", errData, path, captions, images, st.Size(), 4*images*captions, err)
	}
	t, err := eval.NewTable(images, captions, shape, values)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// readRelevant reads which pairs are right, for mAP@R and R-Precision:
//   - .npy: captions × images, right where not 0;
//   - .json: {"caption id": ["image id", …], …};
//   - else lines of caption id, tab, image id.
func readRelevant(path string, d *data) (*eval.Relation, error) {
	n, m := len(d.images), len(d.captions)
	var pairs [][2]int
	image, caption := places(d.images), places(d.captions)
	add := func(where, c, i string) error {
		if d.lost[c] || d.lost[i] {
			return nil
		}
		ci, ok := caption[c]
		if !ok {
			return fmt.Errorf("%w: %s: there is no caption %q", errData, where, c)
		}
		ii, ok := image[i]
		if !ok {
			return fmt.Errorf("%w: %s: there is no image %q", errData, where, i)
		}
		pairs = append(pairs, [2]int{ci, ii})
		return nil
	}
	switch {
	case strings.HasSuffix(path, ".npy"):
		r, err := readRelevance(path, n, m)
		if err != nil {
			return nil, err
		}
		row := make([]float64, n)
		for c := range m {
			r.Caption(c, row)
			for i, v := range row {
				if v != 0 {
					pairs = append(pairs, [2]int{c, i})
				}
			}
		}
	case strings.HasSuffix(path, ".json"):
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var lists map[string][]json.RawMessage
		if err := json.Unmarshal(b, &lists); err != nil {
			return nil, fmt.Errorf("%w: %s: want {\"caption id\": [\"image id\", …]}: %w", errData, path, err)
		}
		for c, images := range lists {
			for _, i := range images {
				if err := add(path, c, strings.Trim(string(i), `"`)); err != nil {
					return nil, err
				}
			}
		}
	default:
		err := eachLine(path, 2, func(where string, f []string) error { return add(where, f[0], f[1]) })
		if err != nil {
			return nil, err
		}
	}
	if len(pairs) == 0 {
		return nil, fmt.Errorf("%w: %s: no pair is relevant", errData, path)
	}
	return eval.Pairs(n, m, pairs)
}

// judgments are scores that people gave to pairs, by index.
type judgments struct {
	images, captions []int
	scores           []float64
}

// readJudgments reads lines of image, caption and score. The caption is an id or, where that is not
// one, the text itself.
func readJudgments(path string, d *data) (*judgments, error) {
	j := &judgments{}
	image, caption, text := places(d.images), places(d.captions), map[[2]string]int{}
	for c, t := range d.texts {
		text[[2]string{d.images[d.owner[c]], t}] = c
		if _, ok := text[[2]string{"", t}]; !ok {
			text[[2]string{"", t}] = c
		}
	}
	err := eachLine(path, 3, func(where string, f []string) error {
		v, err := strconv.ParseFloat(f[2], 64)
		if err != nil || v-v != 0 {
			if strings.HasSuffix(where, ":1") {
				return nil // a line of column names
			}
			return fmt.Errorf("%w: %s: %q is no score", errData, where, f[2])
		}
		if d.lost[f[0]] || d.lost[f[1]] {
			return nil
		}
		i, ok := image[f[0]]
		if !ok {
			return fmt.Errorf("%w: %s: there is no image %q", errData, where, f[0])
		}
		c, ok := caption[f[1]]
		if !ok {
			if c, ok = text[[2]string{f[0], f[1]}]; !ok {
				c, ok = text[[2]string{"", f[1]}]
			}
		}
		if !ok {
			return fmt.Errorf("%w: %s: there is no caption %q", errData, where, f[1])
		}
		j.images, j.captions, j.scores = append(j.images, i), append(j.captions, c), append(j.scores, v)
		return nil
	})
	if err == nil && len(j.scores) < 2 {
		err = fmt.Errorf("%w: %s: %d judgments; a correlation needs two", errData, path, len(j.scores))
	}
	return j, err
}

// readList reads one id a line.
func readList(path string) ([]string, error) {
	var ids []string
	err := eachLine(path, 1, func(_ string, f []string) error {
		ids = append(ids, f[0])
		return nil
	})
	if err == nil && len(ids) == 0 {
		err = fmt.Errorf("%w: %s: empty", errData, path)
	}
	return ids, err
}

func eachLine(path string, fields int, visit func(where string, f []string) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for n := 1; s.Scan(); n++ {
		line := strings.TrimRight(s.Text(), "\r")
		if strings.TrimSpace(line) == "" {
			continue
		}
		where := fmt.Sprintf("%s:%d", path, n)
		parts := strings.Split(line, "\t")
		if len(parts) != fields {
			return fmt.Errorf("%w: %s: %d fields between tabs, want %d", errData, where, len(parts), fields)
		}
		for k := range parts {
			parts[k] = strings.TrimSpace(parts[k])
		}
		if err := visit(where, parts); err != nil {
			return err
		}
	}
	if err := s.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("%w: a line over 1 MiB", errData)
		}
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func places(ids []string) map[string]int {
	at := make(map[string]int, len(ids))
	for k, id := range ids {
		at[id] = k
	}
	return at
}
