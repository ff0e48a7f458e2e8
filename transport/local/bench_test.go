package local

import (
	"net"
	"path/filepath"
	"testing"

	"github.com/millrace-engine/millrace/transport/transporttest"
)

func BenchmarkTransport(b *testing.B) { transporttest.Bench(b, fixture(b)) }

// BenchmarkBare is a Unix socket alone.
func BenchmarkBare(b *testing.B) {
	l, err := net.Listen("unix", filepath.Join(b.TempDir(), "s"))
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	r, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	w, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	transporttest.Bare(b, w, r)
}
