package indexcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/elem"
)

// A part is the share of a source that one of many machines encodes, and what the file says of it (Info.State).
type part struct {
	Part  int    `json:"part"` // from 1
	Of    int    `json:"of"`
	Items string `json:"items"` // images or captions

	// Total and IDs are of the source as a whole, and Tables of --tags and --meta: what all parts should have seen.
	Total  int    `json:"total"`
	IDs    string `json:"ids"` // XXH64
	Tables string `json:"tables"`

	Skipped int `json:"skipped"` // items that could not be encoded
	// QueryMean is the mean of captions, of which --match bits has need, as float32: the first part computes it.
	QueryMean []byte `json:"query_mean,omitempty"`
}

// maxParts bounds N.
const maxParts = 1 << 20

// parsePart reads I/N. Part 0 is another name of part N, for those who count from 0.
func parsePart(s string) (*part, error) {
	first, second, ok := strings.Cut(s, "/")
	i, errI := strconv.Atoi(first)
	n, errN := strconv.Atoi(second)
	if !ok || errI != nil || errN != nil || n < 1 || n > maxParts || i < 0 || i > n {
		return nil, cli.Misuse("--part %q: want I/N, part I of N, such as 3/8", s)
	}
	if i == 0 {
		i = n
	}
	return &part{Part: i, Of: n}, nil
}

func (p *part) String() string { return fmt.Sprintf("%d/%d", p.Part, p.Of) }

// has says whether an item belongs to the part. What it says must never change: parts are built by different versions.
func (p *part) has(id string) bool {
	return int(xxhash.Sum64String(id)%uint64(p.Of))+1 == p.Part
}

// choose keeps of a job's entries those of the part, and notes what all were.
func (p *part) choose(j *job) error {
	p.Items, p.Total = j.items, len(j.entries)
	all, tables := xxhash.New(), xxhash.New()
	for _, e := range j.entries {
		fmt.Fprintf(all, "%s\x00", e.id)
		j.tables.of(e.id, e.image) // used, if by another part
	}
	for _, name := range []string{j.tagsFile, j.metaFile} {
		if name == "" {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(tables, "%d\x00%s", len(b), b)
	}
	p.IDs, p.Tables = fmt.Sprintf("%016x", all.Sum64()), fmt.Sprintf("%016x", tables.Sum64())
	j.entries = slices.DeleteFunc(j.entries, func(e entry) bool { return !p.has(e.id) })
	return nil
}

// state is what the part's file says of it.
func (p *part) state() []byte {
	b, _ := json.Marshal(map[string]*part{"part": p}) // strings and numbers always can
	return b
}

// partOf is the part that a file's state tells of, nil if it is no part.
func partOf(state []byte) *part {
	var s struct {
		Part *part `json:"part"`
	}
	if json.Unmarshal(state, &s) != nil || s.Part == nil || s.Part.Of < 1 || s.Part.Of > maxParts || s.Part.Part < 1 || s.Part.Part > s.Part.Of {
		return nil
	}
	return s.Part
}

// queryMean is the recorded mean, nil if there is none of dim values.
func (p *part) queryMean(dim int) []float32 {
	if len(p.QueryMean) != 4*dim {
		return nil
	}
	return elem.Load[float32](slices.Clone(p.QueryMean))
}

// sameJob says that two parts come of the same command, run on the same source.
func (p *part) sameJob(q *part) bool {
	return p.Of == q.Of && p.Items == q.Items && p.Total == q.Total && p.IDs == q.IDs && p.Tables == q.Tables
}

// made says whether file is the part already, made with these options.
func (p *part) made(ctx context.Context, file string, o *index.BuildOptions) (bool, error) {
	there, err := replaces(file)
	if !there || err != nil {
		return false, err
	}
	info, err := infoOf(ctx, file)
	if errors.Is(err, index.ErrCorrupt) || errors.Is(err, index.ErrVersion) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	q := partOf(info.State)
	return q != nil && q.sameJob(p) && q.Part == p.Part && info.Model == o.Model &&
		info.MatchCodec == o.Match.String() && info.RegionCodec == o.Regions.String(), nil
}

func infoOf(ctx context.Context, file string) (info *index.Info, err error) {
	ix, err := index.Open(file, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ix.Close()) }()
	return ix.Info(ctx)
}

// share is the part that --part asks for; without it, one of one.
func (b *building) share(opts *index.BuildOptions) (*part, error) {
	if b.partFlag == "" {
		return &part{Part: 1, Of: 1}, nil
	}
	switch {
	case opts.Match == index.Bits:
		return nil, cli.Misuse("--match bits is chosen when the parts are merged: aladin-index merge --match bits")
	case opts.Regions == index.FourBit || opts.Regions == index.TwoBit:
		return nil, cli.Misuse("--regions %v is chosen when the parts are merged: aladin-index merge --regions %[1]v", opts.Regions)
	case b.cells != 0:
		return nil, cli.Misuse("--cells is chosen when the parts are merged: aladin-index merge --cells %d", b.cells)
	}
	return parsePart(b.partFlag)
}
