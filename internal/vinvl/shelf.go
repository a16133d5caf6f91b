package vinvl

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/shelve"
	"github.com/aladin-go/aladin/internal/torch"
)

// A shelfRow is JSON of detic.tsv.
type shelfRow struct {
	Height  float64       `json:"image_h"`
	Width   float64       `json:"image_w"`
	Objects []shelfObject `json:"objects"`
}

type shelfObject struct {
	Class string    `json:"class"`
	Conf  float64   `json:"conf"`
	Rect  []float64 `json:"rect"`
}

// WriteDetic writes detic.tsv from ALADIN-2.0's shelve, in which a picture's id stands for a dict of image_h, image_w and
// objects, and each object has class, conf, rect and features. The pickles are read without being executed.
func WriteDetic(ctx context.Context, w io.Writer, shelf *shelve.Shelf, progress func(done, total int)) error {
	out := bufio.NewWriterSize(w, 1<<20)
	done := 0
	for id, value := range shelf.All() {
		if err := ctx.Err(); err != nil {
			return err
		}
		row, features, err := parseShelfRow(value)
		if err != nil {
			return fmt.Errorf("%w: picture %q: %w", ErrRow, id, err)
		}
		if id == "" || strings.ContainsAny(id, "\t\r\n") {
			return fmt.Errorf("%w: a picture's id is %q", ErrRow, id)
		}
		text, err := json.Marshal(row)
		if err != nil {
			return fmt.Errorf("%w: picture %q: %w", ErrRow, id, err)
		}
		fmt.Fprintf(out, "%s\t%s\t%s\n", id, text, base64.StdEncoding.EncodeToString(elem.Bytes(features)))
		if done++; progress != nil {
			progress(done, shelf.Len())
		}
	}
	return out.Flush()
}

// parseShelfRow reads the pickle of one picture.
func parseShelfRow(pickle []byte) (row shelfRow, features []float32, err error) {
	v, err := torch.Unpickle(pickle)
	if err != nil {
		return row, nil, err
	}
	number := func(of any, key string) float64 {
		x, lerr := torch.Lookup(of, key)
		n, ok := torch.Number(x)
		if err == nil && (lerr != nil || !ok || math.IsNaN(n) || math.IsInf(n, 0)) {
			err = fmt.Errorf("%q is no number", key)
		}
		return n
	}
	row = shelfRow{Height: number(v, "image_h"), Width: number(v, "image_w"), Objects: []shelfObject{}}
	list, lerr := torch.Lookup(v, "objects")
	objects, ok := list.([]any)
	if err == nil && (lerr != nil || !ok) {
		err = fmt.Errorf("no list of objects")
	}
	dim := -1 // of the features, Detic's 1024
	for i, o := range objects {
		object := shelfObject{Conf: number(o, "conf")}
		class, _ := torch.Lookup(o, "class")
		object.Class, ok = class.(string)
		rect := numbers(o, "rect", 4)
		own := numbers(o, "features", dim)
		if err == nil && (!ok || rect == nil || len(own) == 0) {
			err = fmt.Errorf("object %d needs a class, a rect of 4 numbers, and as many features as the others", i)
		}
		if err != nil {
			return row, nil, err
		}
		dim = len(own)
		for _, x := range rect {
			object.Rect = append(object.Rect, float64(x))
		}
		row.Objects, features = append(row.Objects, object), append(features, own...)
	}
	return row, features, err
}

// numbers are the n (any number below 0) finite values of a NumPy array or a list; nil if it is anything else.
func numbers(of any, key string, n int) []float32 {
	v, err := torch.Lookup(of, key)
	if err != nil {
		return nil
	}
	var out []float32
	switch v := v.(type) {
	case *torch.Tensor:
		if n >= 0 && v.Len() != n {
			return nil
		}
		if out, err = v.Float32(); err != nil {
			return nil
		}
	case []any:
		out = list(v, n)
	case torch.Tuple:
		out = list(v, n)
	}
	for _, x := range out {
		if d := x - x; d != 0 { // NaN or infinite
			return nil
		}
	}
	return out
}

func list(v []any, n int) []float32 {
	if n >= 0 && len(v) != n {
		return nil
	}
	out := make([]float32, len(v))
	for i, x := range v {
		f, ok := torch.Number(x)
		if !ok {
			return nil
		}
		out[i] = float32(f)
	}
	return out
}
