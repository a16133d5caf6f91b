package evalcmd

import (
	"bufio"
	"encoding/json"
	"io"

	"github.com/aladin-go/aladin/internal/atomicfile"
	"github.com/aladin-go/aladin/internal/eval"
)

// queryLine is one line of --per-query.
type queryLine struct {
	Direction string            `json:"direction"`
	Query     string            `json:"query"`
	Text      string            `json:"text,omitempty"`
	Gallery   int               `json:"gallery"`
	Right     []string          `json:"right"`
	Ranks     map[string]int32  `json:"ranks"` // 0-based, by ranking
	NDCG      map[string]any    `json:"ndcg,omitempty"`
	Top       map[string][]find `json:"top"`
}

type find struct {
	ID    string  `json:"id"`
	Score float32 `json:"score"`
}

// writePerQuery writes a line for every query, images first.
func (e *evaluation) writePerQuery(path string) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		buf := bufio.NewWriter(w)
		enc := json.NewEncoder(buf)
		enc.SetEscapeHTML(false)
		d := e.d
		line := func(direction, id, text string, fold, query int, right []int32, answers []string,
			ranks func(*eval.Outcome) []int32, lists func(*eval.Lists) [][]eval.Hit, gains func(*eval.Mean) []float64) error {
			l := queryLine{Direction: direction, Query: id, Text: text, Gallery: fold, Ranks: map[string]int32{}, Top: map[string][]find{}}
			for _, r := range right {
				l.Right = append(l.Right, answers[r])
			}
			for _, h := range e.heads {
				rank := ranks(h.outcome)[query]
				if rank < 0 {
					return nil
				}
				l.Ranks[h.name] = rank
				for _, hit := range lists(h.lists)[query] {
					l.Top[h.name] = append(l.Top[h.name], find{answers[hit.Index], hit.Score})
				}
				if h.ndcg != nil {
					if l.NDCG == nil {
						l.NDCG = map[string]any{}
					}
					l.NDCG[h.name] = finite(gains(h.ndcg)[query])
				}
			}
			return enc.Encode(l)
		}
		for i, id := range d.images {
			err := line("i2t", id, "", e.split.Fold[i], i, e.owners.Captions(i), d.captions,
				func(o *eval.Outcome) []int32 { return o.I2T },
				func(l *eval.Lists) [][]eval.Hit { return l.I2T },
				func(m *eval.Mean) []float64 { return m.I2T })
			if err != nil {
				return err
			}
		}
		for c, id := range d.captions {
			text := ""
			if d.texts != nil {
				text = d.texts[c]
			}
			err := line("t2i", id, text, e.split.Fold[d.owner[c]], c, e.owners.Images(c), d.images,
				func(o *eval.Outcome) []int32 { return o.T2I },
				func(l *eval.Lists) [][]eval.Hit { return l.T2I },
				func(m *eval.Mean) []float64 { return m.T2I })
			if err != nil {
				return err
			}
		}
		return buf.Flush()
	})
}
