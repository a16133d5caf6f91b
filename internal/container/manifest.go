package container

import (
	"cmp"
	"fmt"
	"slices"

	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/internal/container/internal/fb"
)

//go:generate flatc --go -o internal manifest.fbs

// Manifest is the content of one commit.
type Manifest struct {
	Generation uint64
	Model      string // fingerprint of the model whose encodings the file holds
	Dim        int    // of matching vectors
	TokenDim   int    // of tokens
	MatchCodec format.Codec
	TokenCodec format.Codec
	Shared     []Section
	Segments   []Segment
	Dead       []Extent // bytes of earlier commits that this one does not use
}

// Segment is a batch of items that were written together.
type Segment struct {
	Items    int
	Deleted  int
	Tokens   int64
	Sections []Section
}

// Section is a run of bytes of one kind.
type Section struct {
	Kind  format.Kind
	Codec format.Codec
	Extent
}

// Section returns the segment's section of a kind.
func (s *Segment) Section(k format.Kind) (Section, bool) { return find(s.Sections, k) }

// SharedSection returns the file's shared section of a kind.
func (m *Manifest) SharedSection(k format.Kind) (Section, bool) { return find(m.Shared, k) }

func find(ss []Section, k format.Kind) (Section, bool) {
	for _, s := range ss {
		if s.Kind == k {
			return s, true
		}
	}
	return Section{}, false
}

// Clone returns a copy that shares nothing with m.
func (m *Manifest) Clone() *Manifest {
	c := *m
	c.Shared = slices.Clone(m.Shared)
	c.Dead = slices.Clone(m.Dead)
	c.Segments = slices.Clone(m.Segments)
	for i := range c.Segments {
		c.Segments[i].Sections = slices.Clone(c.Segments[i].Sections)
	}
	return &c
}

// sections yields every live section.
func (m *Manifest) sections(yield func(Section) bool) {
	for _, s := range m.Shared {
		if !yield(s) {
			return
		}
	}
	for i := range m.Segments {
		for _, s := range m.Segments[i].Sections {
			if !yield(s) {
				return
			}
		}
	}
}

func (m *Manifest) encode() []byte {
	b := flatbuffers.NewBuilder(1024)
	segs := make([]flatbuffers.UOffsetT, len(m.Segments))
	for i := range m.Segments {
		s := &m.Segments[i]
		secs := encodeSections(b, s.Sections, fb.SegmentStartSectionsVector)
		fb.SegmentStart(b)
		fb.SegmentAddItems(b, uint32(s.Items))
		fb.SegmentAddDeleted(b, uint32(s.Deleted))
		fb.SegmentAddTokens(b, uint64(s.Tokens))
		fb.SegmentAddSections(b, secs)
		segs[i] = fb.SegmentEnd(b)
	}
	fb.ManifestStartSegmentsVector(b, len(segs))
	for _, s := range slices.Backward(segs) {
		b.PrependUOffsetT(s)
	}
	segments := b.EndVector(len(segs))
	shared := encodeSections(b, m.Shared, fb.ManifestStartSharedVector)
	fb.ManifestStartDeadVector(b, len(m.Dead))
	for _, e := range slices.Backward(m.Dead) {
		fb.CreateExtent(b, uint64(e.Offset), uint64(e.Length), e.CRC)
	}
	dead := b.EndVector(len(m.Dead))
	model := b.CreateString(m.Model)
	fb.ManifestStart(b)
	fb.ManifestAddGeneration(b, m.Generation)
	fb.ManifestAddModel(b, model)
	fb.ManifestAddDim(b, uint32(m.Dim))
	fb.ManifestAddTokenDim(b, uint32(m.TokenDim))
	fb.ManifestAddMatchCodec(b, uint16(m.MatchCodec))
	fb.ManifestAddTokenCodec(b, uint16(m.TokenCodec))
	fb.ManifestAddShared(b, shared)
	fb.ManifestAddSegments(b, segments)
	fb.ManifestAddDead(b, dead)
	b.FinishWithFileIdentifier(fb.ManifestEnd(b), []byte("ALDN"))
	return b.FinishedBytes()
}

func encodeSections(b *flatbuffers.Builder, ss []Section, start func(*flatbuffers.Builder, int) flatbuffers.UOffsetT) flatbuffers.UOffsetT {
	start(b, len(ss))
	for _, s := range slices.Backward(ss) {
		fb.CreateSection(b, uint16(s.Kind), uint16(s.Codec), s.CRC, uint64(s.Offset), uint64(s.Length))
	}
	return b.EndVector(len(ss))
}

// decodeManifest verifies and decodes the manifest of commit meta.
func decodeManifest(buf []byte, meta Meta) (*Manifest, error) {
	if sum := Checksum(buf); sum != meta.Manifest.CRC {
		return nil, fmt.Errorf("manifest at offset %d: checksum %08x, expected %08x: %w",
			meta.Manifest.Offset, sum, meta.Manifest.CRC, format.ErrCorrupt)
	}
	if err := verifyManifest(buf); err != nil {
		return nil, err
	}
	r := fb.GetRootAsManifest(buf, 0)
	m := &Manifest{
		Generation: r.Generation(),
		Model:      string(r.Model()),
		Dim:        int(r.Dim()),
		TokenDim:   int(r.TokenDim()),
		MatchCodec: format.Codec(r.MatchCodec()),
		TokenCodec: format.Codec(r.TokenCodec()),
		Shared:     make([]Section, r.SharedLength()),
		Segments:   make([]Segment, r.SegmentsLength()),
		Dead:       make([]Extent, r.DeadLength()),
	}
	var sec fb.Section
	for i := range m.Shared {
		r.Shared(&sec, i)
		m.Shared[i] = decodeSection(&sec)
	}
	var seg fb.Segment
	for i := range m.Segments {
		r.Segments(&seg, i)
		s := &m.Segments[i]
		s.Items, s.Deleted, s.Tokens = int(seg.Items()), int(seg.Deleted()), int64(seg.Tokens())
		s.Sections = make([]Section, seg.SectionsLength())
		for j := range s.Sections {
			seg.Sections(&sec, j)
			s.Sections[j] = decodeSection(&sec)
		}
	}
	var ext fb.Extent
	for i := range m.Dead {
		r.Dead(&ext, i)
		m.Dead[i] = Extent{Offset: int64(ext.Offset()), Length: int64(ext.Length()), CRC: ext.Crc()}
	}
	if err := m.check(meta); err != nil {
		return nil, fmt.Errorf("manifest at offset %d: %v: %w", meta.Manifest.Offset, err, format.ErrCorrupt)
	}
	return m, nil
}

func decodeSection(s *fb.Section) Section {
	return Section{Kind: format.Kind(s.Kind()), Codec: format.Codec(s.Codec()),
		Extent: Extent{Offset: int64(s.Offset()), Length: int64(s.Length()), CRC: s.Crc()}}
}

// check holds the manifest against the file: counts within limits, no kind
// twice, and all extents aligned, disjoint and without gaps.
func (m *Manifest) check(meta Meta) error {
	const maxDim = 1 << 16
	if m.Generation != meta.Generation {
		return fmt.Errorf("generation %d, meta slot says %d", m.Generation, meta.Generation)
	}
	if m.Dim < 0 || m.Dim > maxDim || m.TokenDim < 0 || m.TokenDim > maxDim {
		return fmt.Errorf("%d or %d dimensions exceed %d", m.Dim, m.TokenDim, maxDim)
	}
	if err := checkKinds(m.Shared); err != nil {
		return err
	}
	for i := range m.Segments {
		s := &m.Segments[i]
		if err := checkKinds(s.Sections); err != nil {
			return fmt.Errorf("segment %d: %v", i, err)
		}
		if s.Items < 0 || s.Items > 1<<31-1 || s.Deleted < 0 || s.Deleted > s.Items || s.Tokens < 0 || s.Tokens > 1<<32-1 {
			return fmt.Errorf("segment %d: %d items, %d deleted, %d tokens", i, s.Items, s.Deleted, s.Tokens)
		}
	}
	_, err := m.tiles(meta)
	return err
}

func checkKinds(ss []Section) error {
	seen := make(map[format.Kind]bool, len(ss))
	for _, s := range ss {
		if seen[s.Kind] {
			return fmt.Errorf("two sections of %v", s.Kind)
		}
		seen[s.Kind] = true
	}
	return nil
}

// tiles returns all extents of the file in order, or an error when they overlap,
// leave a gap, or lie outside [DataStart, end).
func (m *Manifest) tiles(meta Meta) ([]Extent, error) {
	all := append([]Extent{meta.Manifest}, m.Dead...)
	for s := range m.sections {
		all = append(all, s.Extent)
	}
	slices.SortFunc(all, func(a, b Extent) int {
		if a.Offset != b.Offset {
			return cmp.Compare(a.Offset, b.Offset)
		}
		return cmp.Compare(a.Length, b.Length)
	})
	at := int64(format.DataStart)
	for _, e := range all {
		if e.Length == 0 {
			return nil, fmt.Errorf("empty section at offset %d", e.Offset)
		}
		if e.Offset < at || e.Offset-at >= format.Alignment || e.Offset%format.Alignment != 0 {
			return nil, fmt.Errorf("bytes at offset %d expected near %d", e.Offset, at)
		}
		if e.Length < 0 || e.Length > meta.End-e.Offset {
			return nil, fmt.Errorf("%d bytes at offset %d exceed the commit's end %d", e.Length, e.Offset, meta.End)
		}
		at = e.end()
	}
	if at != meta.Manifest.end() {
		return nil, fmt.Errorf("bytes after the manifest at %d", meta.Manifest.Offset)
	}
	return all, nil
}
