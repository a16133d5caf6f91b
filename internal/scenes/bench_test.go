package scenes

import "testing"

func BenchmarkScene(b *testing.B) {
	g := New(1, nil)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		g.Scene(i)
	}
}

func BenchmarkDescribe(b *testing.B) {
	g := New(1, nil)
	for i := 0; b.Loop(); i++ {
		g.Describe(i)
	}
}

// BenchmarkRange reports what the demonstration sees: pictures a second with all cores at work.
func BenchmarkRange(b *testing.B) {
	g := New(1, nil)
	const n = 200
	for b.Loop() {
		for range g.Range(b.Context(), 0, n) {
		}
	}
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "images/s")
}

func BenchmarkUniqueShare(b *testing.B) {
	g := New(1, &Options{Split: Test})
	list := make([]*Scene, 1000)
	for i := range list {
		list[i] = g.Describe(i)
	}
	for b.Loop() {
		UniqueShare(list)
	}
}
