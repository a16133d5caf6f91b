package devicetest

import (
	"cmp"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/aladin-go/aladin/internal/ort"
)

// device is the one that is tested.
func device() string { return cmp.Or(os.Getenv("ALADIN_TEST_DEVICE"), ort.CPU) }

func need(tb testing.TB) {
	tb.Helper()
	if !ort.Available() {
		tb.Skip("needs ONNX Runtime")
	}
}

func newRand() *rand.Rand { return rand.New(rand.NewPCG(5, 6)) }
