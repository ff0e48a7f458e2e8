package lines

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
)

// records reads the records that begin in a range.
func records(t *testing.T, path string, from, end int64, stop byte) (out []string) {
	t.Helper()
	r, err := Open(path, from, end, stop, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for r.Left() > 0 {
		text := r.Text()
		n := End(text, stop)
		whole := n >= 0 && (text[n] != '\r' || n+1 < len(text))
		switch {
		case whole || n >= 0 && r.Done():
			out = append(out, string(text[:n]))
			r.Skip(Behind(text, n))
		case r.Done():
			if len(text) > 0 {
				out = append(out, string(text))
			}
			return out
		default:
			if err := r.More(); err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
		}
	}
	return out
}

// TestCut cuts texts at every byte: each record is in one of the two halves.
func TestCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	for _, c := range []struct {
		text string
		stop byte
	}{
		{"a\nbb\r\nccc\r\r\n\ndddd", 0}, {"\r\n\r\n\n\r", 0}, {"a", 0}, {"a;b\n;;c;", ';'}, {"\xef\xbb\xbfa\nb\n", 0},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		n := int64(len(c.text))
		want := records(t, path, 0, n, c.stop)
		for cut := range n {
			got := append(records(t, path, 0, cut, c.stop), records(t, path, cut, n, c.stop)...)
			if strings.Join(got, "|") != strings.Join(want, "|") {
				t.Errorf("%q cut at %d: %q, want %q", c.text, cut, got, want)
			}
		}
	}
}

// TestCompressed reads one text in every form, longer than a block.
func TestCompressed(t *testing.T) {
	dir := t.TempDir()
	line := strings.Repeat("0123456789", 30_000)
	text := []byte(strings.Repeat(line+"\n", 10))
	var z, s bytes.Buffer
	g := gzip.NewWriter(&z)
	g.Write(text)
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	e, err := zstd.NewWriter(&s)
	if err != nil {
		t.Fatal(err)
	}
	e.Write(text)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"x": text, "x.gz": z.Bytes(), "x.zst": s.Bytes()} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		got := records(t, path, 0, int64(len(data)), 0)
		if len(got) != 10 || got[9] != line {
			t.Errorf("%s: %d lines", name, len(got))
		}
		if n := LineAt(path, int64(3*len(line)+3)); n != 4 {
			t.Errorf("%s: line %d, want 4", name, n)
		}
	}
	for _, name := range []string{"bad.gz", "bad.zst", "bad.bz2"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("this is not compressed"), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Open(path, 0, 22, 0, nil)
		if err == nil {
			err = r.More()
			r.Close()
		}
		if diag.ClassOf(err) != diag.CorruptFile || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBounds: a record that does not end is refused, and memory is given back.
func TestBounds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 3*MaxRecord), 0o600); err != nil {
		t.Fatal(err)
	}
	live, _ := memory.SlabBytes()
	r, err := Open(path, 0, 3*MaxRecord, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		err = r.More()
	}
	if diag.ClassOf(err) != diag.MalformedRecord {
		t.Error(err)
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if now, _ := memory.SlabBytes(); now != live {
		t.Errorf("%d bytes of slabs, %d before", now, live)
	}
}
