package scenes

// A backdrop paints the floor and the wall of one scene.
type backdrop struct {
	floor   Floor
	wall    Wall
	horizon int
	seed    uint32
	tint    rgb // of a carpet, a wallpaper or a plain wall
	tint2   rgb
	shift   int // moves the texture
}

var (
	carpets = []rgb{{128, 62, 66}, {74, 82, 116}, {112, 114, 82}, {126, 106, 132}, {92, 110, 108}}
	papers  = []rgb{{226, 214, 186}, {198, 214, 204}, {214, 200, 214}, {196, 206, 224}}
	plains  = []rgb{{222, 212, 192}, {186, 200, 186}, {190, 198, 212}, {206, 186, 178}, {164, 168, 176}}
)

func (s *Scene) backdrop(r *stream) *backdrop {
	b := &backdrop{floor: s.Floor, wall: s.Wall, horizon: s.horizon, seed: uint32(r.next()), shift: r.intn(unit)}
	if b.floor == Carpet {
		b.tint = pick(r, carpets)
	}
	switch b.wall {
	case Wallpaper:
		b.tint2 = pick(r, papers)
	case Plain:
		b.tint2 = pick(r, plains)
	}
	return b
}

// hash2 is 32 well-mixed bits for a lattice point.
func hash2(x, y int, seed uint32) uint32 {
	h := uint32(x)*0x9e3779b1 ^ uint32(y)*0x85ebca77 ^ seed
	h ^= h >> 15
	h *= 0x2c1b3c6d
	h ^= h >> 12
	h *= 0x297a2d39
	return h ^ h>>15
}

// noise is smooth value noise, -128…127; one lattice step is 256.
func noise(x, y int, seed uint32) int32 {
	ix, iy := x>>8, y>>8
	fx, fy := int32(x&255), int32(y&255)
	fx = fx * fx * (768 - 2*fx) >> 16
	fy = fy * fy * (768 - 2*fy) >> 16
	a, b := int32(hash2(ix, iy, seed)>>24), int32(hash2(ix+1, iy, seed)>>24)
	c, d := int32(hash2(ix, iy+1, seed)>>24), int32(hash2(ix+1, iy+1, seed)>>24)
	top, bottom := a<<8+(b-a)*fx, c<<8+(d-c)*fx
	return (top<<8+(bottom-top)*fy)>>16 - 128
}

// plus lightens or darkens a colour.
func (c rgb) plus(d int32) rgb { return rgb{c[0] + d, c[1] + d, c[2] + d} }

// row paints one row of pixels; y is its middle in units.
func (b *backdrop) row(dst []rgb, y int) {
	n := len(dst)
	if y < b.horizon {
		for i := range dst {
			dst[i] = b.wallAt((2*i+1)*unit/(2*n), y)
		}
		return
	}
	// Perspective: world coordinates grow as the row nears the vanishing line.
	vanish := b.horizon - unit*18/100
	if b.wall == NoWall {
		vanish = -unit * 70 / 100
	}
	depth := unit * 3 / 4 * (unit - vanish) / (y - vanish)
	// Fine texture fades with distance, where it would only flicker.
	fade := int32(min(256, 256*unit*5/4/depth))
	for i := range dst {
		x := (2*i+1)*unit/(2*n) - unit/2
		dst[i] = b.floorAt(x*depth>>16+b.shift+8*unit, depth+b.shift, fade)
	}
	// The foot of a wall lies in its shade.
	if d := y - b.horizon; b.wall != NoWall && b.wall != Sky && d < unit/24 {
		shade := int32(50 - 50*24*d/unit)
		for i := range dst {
			dst[i] = dst[i].plus(-shade)
		}
	}
}

func (b *backdrop) floorAt(x, z int, fade int32) rgb {
	s := b.seed
	switch b.floor {
	case Grass:
		blades := noise(x*72>>8, z*22>>8, s) + noise(x*140>>8, z*40>>8, s+1)
		broad := noise(x*5>>8, z*5>>8, s+2)
		d := blades*fade>>10 + broad>>3
		return rgb{66 + broad>>3, 112, 36}.plus(d)
	case Wood:
		plank := z * 5
		tone := int32(hash2(plank>>16, 7, s)>>27) - 16
		grain := noise(x*4>>8+plank>>16*999, z*60>>8, s)*fade>>11 + noise(x*2>>8, z*16>>8, s+3)>>3
		if plank&(unit-1) < unit/14 {
			return rgb{96, 62, 36}
		}
		return rgb{176, 124, 76}.plus(tone + grain)
	case Sand:
		grains := noise(x*150>>8, z*150>>8, s)*fade>>11 + int32(hash2(x>>8, z>>8, s)>>28)
		ripple := noise(x*3>>8, z*16>>8, s+1) >> 3
		return rgb{208, 184, 138}.plus(grains + ripple - 8)
	case Tiles:
		d := noise(x*9>>8, z*9>>8, s) >> 4
		if (x*4>>16^z*4>>16)&1 == 0 {
			return rgb{204, 206, 204}.plus(d)
		}
		return rgb{116, 128, 148}.plus(d)
	case Carpet:
		weave := int32((x*64>>16^z*64>>16)&1)*2 - 1
		d := (weave*12+noise(x*90>>8, z*90>>8, s)/10)*fade>>8 + noise(x*4>>8, z*4>>8, s+1)>>4
		return b.tint.plus(d)
	case Snow:
		d := noise(x*5>>8, z*7>>8, s)>>3 + noise(x*60>>8, z*60>>8, s+1)*fade>>13
		return rgb{222 + d, 230 + d, 244 + d>>1}
	default: // Stone
		row := z * 6 >> 16
		col := x*4 + row&1<<15
		if z*6&(unit-1) < unit/9 || col&(unit-1) < unit/14 {
			return rgb{92, 90, 86}
		}
		tone := int32(hash2(col>>16, row, s)>>26) - 32
		return rgb{146, 144, 140}.plus(tone*2/3 + noise(x*50>>8, z*50>>8, s)*fade>>11)
	}
}

func (b *backdrop) wallAt(x, y int) rgb {
	s := b.seed + 77
	switch b.wall {
	case Brick:
		row := y * 18 >> 16
		col := x*8 + row&1<<15 + b.shift
		if y*18&(unit-1) < unit/6 || col&(unit-1) < unit/12 {
			return rgb{176, 164, 150}.plus(noise(x*60>>8, y*60>>8, s) >> 4)
		}
		tone := int32(hash2(col>>16, row, s)>>26) - 32
		return rgb{152 + tone/2, 84 + tone/3, 66 + tone/3}.plus(noise(x*50>>8, y*50>>8, s) >> 4)
	case Sky:
		t := int32(y * 256 / max(b.horizon, 1))
		cloud := noise(x*5>>8+b.shift, y*11>>8, s) + noise(x*12>>8+b.shift, y*24>>8, s+1)/2 + noise(x*30>>8, y*60>>8, s+2)/4
		c := min(max(cloud*3-40, 0), 220)
		base := rgb{104 + t>>2, 166 + t>>3, 236}
		for k := range base {
			base[k] += (250 - base[k]) * c >> 8
		}
		return base
	case Wallpaper:
		if (x*9+b.shift)&(unit-1) < unit*45/100 {
			return b.tint2.plus(-34)
		}
		return b.tint2
	default: // Plain
		return b.tint2.plus(noise(x*3>>8, y*3>>8, s)>>4 + noise(x*100>>8, y*100>>8, s+1)>>5)
	}
}
