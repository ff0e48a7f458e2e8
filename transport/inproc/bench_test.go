package inproc

import (
	"testing"

	"github.com/millrace-engine/millrace/transport/transporttest"
)

func BenchmarkTransport(b *testing.B) { transporttest.Bench(b, fixture()) }

// BenchmarkBare copies a block twice, as a buffer between two sides must.
func BenchmarkBare(b *testing.B) {
	from, middle, to := make([]byte, transporttest.Block), make([]byte, transporttest.Block), make([]byte, transporttest.Block)
	b.SetBytes(transporttest.Block)
	for b.Loop() {
		copy(middle, from)
		copy(to, middle)
	}
}
