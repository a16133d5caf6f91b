package index

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/aladin-go/aladin/format"
)

// Info explains a file.
type Info struct {
	Items        int           `json:"items"`
	Images       int           `json:"images"`
	Captions     int           `json:"captions"`
	Deleted      int           `json:"deleted"`
	Tokens       int64         `json:"tokens"`
	Dim          int           `json:"dim"`
	TokenDim     int           `json:"token_dim"`
	MatchCodec   string        `json:"match_codec"`
	RegionCodec  string        `json:"region_codec"`
	Cells        int           `json:"cells"`
	Bytes        int64         `json:"bytes"`
	BytesPerItem float64       `json:"bytes_per_item"`
	DeadBytes    int64         `json:"dead_bytes"` // of earlier commits; Compact frees them
	Format       int           `json:"format"`
	Generation   uint64        `json:"generation"`
	Segments     int           `json:"segments"`
	Model        string        `json:"model"`
	State        []byte        `json:"-"`        // what BuildOptions.State or Writer.SetState put there
	Sections     []SectionInfo `json:"sections"` // the largest first
}

// SectionInfo sums up the sections of one kind.
type SectionInfo struct {
	Kind  string `json:"kind"`
	Codec string `json:"codec,omitempty"`
	Bytes int64  `json:"bytes"`
}

// Info explains the file as of the current commit.
func (ix *Index) Info(ctx context.Context) (*Info, error) {
	var info *Info
	err := ix.viewCtx(ctx, func(sn *snapshot) error {
		info = sn.info()
		return nil
	})
	return info, err
}

func (sn *snapshot) info() *Info {
	m, meta := sn.r.Manifest(), sn.r.Meta()
	info := &Info{
		Items: sn.items, Dim: m.Dim, TokenDim: m.TokenDim,
		MatchCodec: m.MatchCodec.String(), RegionCodec: m.TokenCodec.String(),
		Bytes: meta.End, Format: int(meta.Version), Generation: meta.Generation,
		Segments: len(m.Segments), Model: m.Model,
	}
	if sec, ok := m.SharedSection(format.KindFileState); ok {
		info.State = slices.Clone(sn.r.Bytes(sec))
	}
	if sn.store.cells != nil {
		info.Cells = sn.store.cells.n
	}
	if sn.items > 0 {
		info.BytesPerItem = float64(info.Bytes) / float64(sn.items)
	}
	for _, e := range m.Dead {
		info.DeadBytes += e.Length
	}
	type key struct {
		kind  format.Kind
		codec Codec
	}
	sums := make(map[key]int64)
	for _, s := range m.Shared {
		sums[key{s.Kind, s.Codec}] += s.Length
	}
	for i, s := range sn.segments {
		info.Deleted += m.Segments[i].Deleted
		info.Tokens += m.Segments[i].Tokens
		for row, k := range s.kinds {
			switch {
			case !s.isLive(uint32(row)):
			case Kind(k) == Caption:
				info.Captions++
			default:
				info.Images++
			}
		}
		for _, sec := range m.Segments[i].Sections {
			sums[key{sec.Kind, sec.Codec}] += sec.Length
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(sums), func(a, b key) int {
		return cmp.Or(cmp.Compare(sums[b], sums[a]), cmp.Compare(a.kind, b.kind), cmp.Compare(a.codec, b.codec))
	}) {
		info.Sections = append(info.Sections, SectionInfo{Kind: k.kind.String(), Codec: k.codec.String(), Bytes: sums[k]})
	}
	return info
}
