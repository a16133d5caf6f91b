package jpeg

import "fmt"

// A scan is one pass over some of the components.
type scan struct {
	d      *decoder
	parts  []part
	ss, se int  // spectral band
	ah, al uint // successive approximation
	eobrun int
}

// A part is a component of a scan.
type part struct {
	i      int // of the component
	c      *component
	s      *progress
	dc, ac *huffman
	last   int // DC value of the block before
}

// scan decodes one scan, whose header lies in d.buf.
func (d *decoder) scan() error {
	s, err := d.scanHeader()
	if err != nil {
		return err
	}
	// Blocks per MCU, MCUs per row, rows.
	mw, mh := s.parts[0].c.uw, s.parts[0].c.uh
	if len(s.parts) > 1 {
		c := s.parts[0].c
		mw, mh = c.bw/c.h, c.bh/c.v
	}
	var blocks, all int64
	for _, c := range d.header.components {
		all += int64(c.bw) * int64(c.bh)
	}
	for _, p := range s.parts {
		if len(s.parts) > 1 {
			blocks += int64(p.c.bw) * int64(p.c.bh)
		} else {
			blocks += int64(mw) * int64(mh)
		}
	}
	if d.work += blocks; d.work > maxPasses*all {
		return fmt.Errorf("%w: its scans visit every block more than %d times", ErrWork, maxPasses)
	}
	in := &d.in
	in.beginBits()
	mcu := 0
	for y := range mh {
		if err := d.ctx.Err(); err != nil {
			return err
		}
		for x := range mw {
			if d.restart > 0 && mcu > 0 && mcu%d.restart == 0 {
				if err := s.resync(); err != nil {
					return err
				}
			}
			mcu++
			err := s.mcu(x, y)
			if err == nil && in.extra > 0 && in.overrun() {
				err = errOverrun
			}
			if err == errOverrun && in.err == nil {
				d.damaged = true // the next marker came too early; other scans may be whole
				return nil
			}
			if err != nil {
				return err
			}
		}
		for k := range s.parts {
			p := &s.parts[k]
			if rows := y + 1; len(s.parts) > 1 {
				p.s.rows = max(p.s.rows, rows*p.c.v)
			} else {
				p.s.rows = max(p.s.rows, rows)
			}
		}
	}
	for k := range s.parts {
		p := &s.parts[k]
		p.s.dc = p.s.dc || s.ss == 0
		p.s.ac = p.s.ac || s.ss > 0
	}
	return nil
}

func (d *decoder) scanHeader() (*scan, error) {
	if d.header == nil {
		return nil, fmt.Errorf("%w: a scan before the frame", ErrFormat)
	}
	b := d.buf[:]
	n := int(b[0])
	if n < 1 || n > len(d.header.components) {
		return nil, fmt.Errorf("%w: scan of %d components", ErrFormat, n)
	}
	s := &scan{d: d}
	tail := b[1+2*n:]
	s.ss, s.se, s.ah, s.al = int(tail[0]), int(tail[1]), uint(tail[2]>>4), uint(tail[2]&15)
	if !d.header.Progressive {
		s.ss, s.se, s.ah, s.al = 0, 63, 0, 0
	}
	if s.ss > s.se || s.se > 63 || s.al > 13 || d.header.Progressive && (s.ss == 0) != (s.se == 0) || s.ss > 0 && n > 1 {
		return nil, fmt.Errorf("%w: scan of band %d…%d", ErrFormat, s.ss, s.se)
	}
	size := 0
	for k := range n {
		id, tables := b[1+2*k], b[2+2*k]
		p := part{i: -1}
		for i := range d.header.components {
			if d.header.components[i].id == id {
				p.i = i
				break
			}
		}
		for _, q := range s.parts {
			if q.i == p.i {
				p.i = -1
			}
		}
		if p.i < 0 || tables>>4 > 3 || tables&15 > 3 {
			return nil, fmt.Errorf("%w: scan of component %d", ErrFormat, id)
		}
		p.c, p.s = &d.header.components[p.i], &d.state[p.i]
		p.dc, p.ac = d.huff[0][tables>>4], d.huff[1][tables&15]
		if s.ss == 0 && s.ah == 0 && p.dc == nil || s.se > 0 && p.ac == nil || !d.header.Progressive && !d.hasQ[p.c.table] {
			return nil, fmt.Errorf("%w: a scan's table is missing", ErrFormat)
		}
		size += p.c.h * p.c.v
		s.parts = append(s.parts, p)
	}
	if n > 1 && size > 10 {
		return nil, fmt.Errorf("%w: %d blocks in an MCU", ErrFormat, size)
	}
	return s, nil
}

// resync goes on behind a restart marker.
func (s *scan) resync() error {
	m, err := s.d.in.marker()
	if err != nil {
		return err
	}
	if m < rst0 || m > rst7 {
		return fmt.Errorf("%w: marker %#x in place of a restart", ErrFormat, m)
	}
	s.d.in.beginBits()
	s.eobrun = 0
	for k := range s.parts {
		s.parts[k].last = 0
	}
	return nil
}

// mcu decodes the blocks of one MCU.
func (s *scan) mcu(x, y int) error {
	if len(s.parts) == 1 {
		return s.block(&s.parts[0], x, y)
	}
	for k := range s.parts {
		p := &s.parts[k]
		for v := range p.c.v {
			for h := range p.c.h {
				if err := s.block(p, x*p.c.h+h, y*p.c.v+v); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *scan) block(p *part, x, y int) error {
	switch {
	case !s.d.header.Progressive:
		return s.sequential(p, x, y)
	case s.ss == 0 && s.ah == 0:
		v, err := s.dcValue(p)
		if err == nil && v != 0 {
			p.put(y*p.c.bw+x, 0, v<<s.al, s.d.scale)
		}
		return err
	case s.ss == 0:
		if s.d.in.bits(1) != 0 {
			p.s.coef[(y*p.c.bw+x)*s.d.scale*s.d.scale] |= 1 << s.al
		}
		return nil
	case s.ah == 0:
		return s.acFirst(p, y*p.c.bw+x)
	}
	return s.acRefine(p, y*p.c.bw+x)
}

// dcValue decodes the difference from the block before.
func (s *scan) dcValue(p *part) (int, error) {
	t, err := s.d.in.symbol(p.dc)
	if err != nil {
		return 0, err
	}
	if t > 15 {
		return 0, fmt.Errorf("%w: DC value of %d bits", ErrFormat, t)
	}
	p.last = int(int16(p.last + s.d.in.extended(uint(t))))
	return p.last, nil
}

// sequential decodes a whole block and reconstructs its samples.
func (s *scan) sequential(p *part, x, y int) error {
	in, k := &s.d.in, s.d.scale
	q := &s.d.quant[p.c.table]
	var b [64]int32
	v, err := s.dcValue(p)
	if err != nil {
		return err
	}
	b[0] = int32(v) * int32(q[0])
	flat := true
	ac := p.ac
	for z := 1; z < 64; z++ {
		t, err := in.symbol(ac)
		if err != nil {
			return err
		}
		run, size := int(t>>4), uint(t&15)
		if size == 0 {
			if run != 15 {
				break
			}
			z += 15
			continue
		}
		if z += run; z > 63 {
			return fmt.Errorf("%w: a block of more than 64 coefficients", ErrFormat)
		}
		b[natural[z]] = int32(in.extended(size)) * int32(q[z])
		flat = false
	}
	p.s.plane.reconstruct(&b, flat, x, y, k)
	return nil
}

// put keeps coefficient z (zigzag) of a block.
func (p *part) put(block, z, v, k int) {
	p.s.set[block] |= 1 << z
	if n := natural[z]; n&7 < k && n>>3 < k {
		p.s.coef[block*k*k+n>>3*k+n&7] = int16(v)
	}
}

func (s *scan) acFirst(p *part, block int) error {
	if s.eobrun > 0 {
		s.eobrun--
		return nil
	}
	in := &s.d.in
	for z := s.ss; z <= s.se; z++ {
		t, err := in.symbol(p.ac)
		if err != nil {
			return err
		}
		run, size := int(t>>4), uint(t&15)
		if size == 0 {
			if run < 15 {
				s.eobrun = 1<<run - 1
				if run > 0 {
					s.eobrun += in.bits(uint(run))
				}
				return nil
			}
			z += 15
			continue
		}
		if z += run; z > 63 {
			return fmt.Errorf("%w: a block of more than 64 coefficients", ErrFormat)
		}
		p.put(block, z, in.extended(size)<<s.al, s.d.scale)
	}
	return nil
}

// acRefine adds a bit to coefficients that are not 0, and new ones of one bit.
func (s *scan) acRefine(p *part, block int) error {
	in := &s.d.in
	z := s.ss
	if s.eobrun == 0 {
		for ; z <= s.se; z++ {
			t, err := in.symbol(p.ac)
			if err != nil {
				return err
			}
			run, size := int(t>>4), t&15
			v := 0
			switch {
			case size == 1:
				v = -1 << s.al
				if in.bits(1) != 0 {
					v = 1 << s.al
				}
			case size != 0:
				return fmt.Errorf("%w: refinement of %d bits", ErrFormat, size)
			case run < 15:
				s.eobrun = 1 << run
				if run > 0 {
					s.eobrun += in.bits(uint(run))
				}
			}
			if s.eobrun > 0 {
				break
			}
			z = s.refine(p, block, z, run)
			if v != 0 && z > s.se {
				return fmt.Errorf("%w: a block of more than 64 coefficients", ErrFormat)
			}
			if v != 0 {
				p.put(block, z, v, s.d.scale)
			}
		}
	}
	if s.eobrun > 0 {
		s.eobrun--
		s.refine(p, block, z, -1)
	}
	return nil
}

// refine adds a bit to the coefficients from z on that are not 0, until it has passed run zeros (−1: to the
// end of the band), and returns the place behind.
func (s *scan) refine(p *part, block, z, run int) int {
	in, k := &s.d.in, s.d.scale
	set := p.s.set[block]
	if run < 0 && set>>z == 0 {
		return s.se + 1
	}
	for ; z <= s.se; z++ {
		if set>>z&1 == 0 {
			if run == 0 {
				break
			}
			run--
			continue
		}
		if in.bits(1) == 0 {
			continue
		}
		if n := natural[z]; n&7 < k && n>>3 < k {
			c := &p.s.coef[block*k*k+n>>3*k+n&7]
			if *c >= 0 {
				*c += 1 << s.al
			} else {
				*c -= 1 << s.al
			}
		}
	}
	return z
}

// reconstruct makes samples of a progressive picture's coefficients.
func (d *decoder) reconstruct() error {
	k := d.scale
	for i := range d.state {
		s, c := &d.state[i], &d.header.components[i]
		if !d.hasQ[c.table] {
			return fmt.Errorf("%w: a quantisation table is missing", ErrFormat)
		}
		var q [64]int32
		for z, n := range natural {
			q[n] = int32(d.quant[c.table][z])
		}
		for y := range c.uh {
			if err := d.ctx.Err(); err != nil {
				return err
			}
			for x := range c.uw {
				at := y*c.bw + x
				var b [64]int32
				for v := range k {
					for u := range k {
						b[8*v+u] = int32(s.coef[at*k*k+v*k+u]) * q[8*v+u]
					}
				}
				s.plane.reconstruct(&b, s.set[at]&^1 == 0, x, y, k)
			}
		}
	}
	return nil
}
