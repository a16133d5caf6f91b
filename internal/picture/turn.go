package picture

// A turn is an EXIF orientation: how a picture as it is stored has to be moved to stand upright.
type turn uint8

// The eight orientations, by what the stored picture is.
const (
	upright turn = 1 + iota
	mirrored
	upsideDown
	mirroredUpsideDown
	transposed
	toTurnRight
	transposedAcross // along the other diagonal
	toTurnLeft
)

// swaps says whether rows become columns.
func (o turn) swaps() bool { return o >= transposed }

// mirrors says which axes of the stored picture run backwards in the upright one.
func (o turn) mirrors() (x, y bool) {
	switch o {
	case mirrored:
		return true, false
	case upsideDown:
		return true, true
	case mirroredUpsideDown:
		return false, true
	case toTurnRight:
		return false, true
	case transposedAcross:
		return true, true
	case toTurnLeft:
		return true, false
	}
	return false, false
}

// size is that of the upright picture.
func (o turn) size(w, h int) (int, int) {
	if o.swaps() {
		return h, w
	}
	return w, h
}

// stored maps a rectangle of the upright picture, whose sides are w and h, to the stored one.
func (o turn) stored(r Rect, w, h float64) Rect {
	if o.swaps() {
		r = Rect{r.Y0, r.X0, r.Y1, r.X1}
		w, h = h, w
	}
	x, y := o.mirrors()
	if x {
		r.X0, r.X1 = w-r.X1, w-r.X0
	}
	if y {
		r.Y0, r.Y1 = h-r.Y1, h-r.Y0
	}
	return r
}
