package torch

import (
	"testing"
)

// corrupt parses every prefix of a file and the file with each byte changed in several ways. Whatever still
// parses is walked and its small tensors are read.
func corrupt(t *testing.T, b []byte) {
	t.Helper()
	b = append([]byte(nil), b...)
	for i := range b {
		exercise(t, b[:i])
		for _, x := range []byte{0x01, 0x80, 0xff, b[i] ^ '.', b[i] ^ 'R'} {
			b[i] ^= x
			exercise(t, b)
			b[i] ^= x
		}
	}
}

// exercise uses a file as a program would.
func exercise(t *testing.T, b []byte) {
	f, err := Parse(b)
	if err != nil {
		return
	}
	visit(f.Value())
	ToPlain(f.Value())
	_ = f.Verify()
	if _, _, err := marshal(f.Value()); err != nil {
		return
	}
}

func visit(v any) {
	switch v := v.(type) {
	case *Tensor:
		if v.Len() < 1<<16 {
			_, _ = v.Float32()
			_, _ = v.Int64()
		}
	case []any:
		for _, x := range v {
			visit(x)
		}
	case Tuple:
		visit([]any(v))
	case *Dict:
		for k, x := range v.All() {
			visit(k)
			visit(x)
		}
	case *Object:
		visit(v.Args)
		visit(v.State)
		visit(v.List)
	}
}
