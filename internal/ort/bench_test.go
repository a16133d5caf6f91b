//go:build cgo

package ort

import (
	"testing"
)

// BenchmarkRun measures what a run costs besides the model's own work.
func BenchmarkRun(b *testing.B) {
	if !Available() {
		b.Skip("needs ONNX Runtime")
	}
	s, err := Load(addModel(), &Options{Threads: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	x := Float32([]int64{1, 3}, nil)
	in := map[string]*Tensor{"a": x, "b": x}
	b.Run("Run", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Run(b.Context(), in); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Binding", func(b *testing.B) {
		bound, err := s.Bind()
		if err != nil {
			b.Fatal(err)
		}
		defer bound.Close()
		for _, name := range []string{"a", "b"} {
			if err := bound.Input(name, x); err != nil {
				b.Fatal(err)
			}
		}
		for _, name := range []string{"sum", "twice"} {
			if err := bound.Output(name, Float32([]int64{1, 3}, nil)); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportAllocs()
		for b.Loop() {
			if err := bound.Run(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
