package chunk

import (
	"bytes"
	"errors"
	"testing"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/columnartest"
)

// A schema of every type comes back; none that is cut, or has more behind it, does.
func TestSchema(t *testing.T) {
	s := columnartest.Schema(columnartest.Types...)
	s.Fields[3].Nullable, s.Fields[4].Name = false, "größe `x`"
	data := AppendSchema(nil, s)
	got, err := DecodeSchema(data)
	if err != nil || !got.Equal(s) {
		t.Fatalf("%s comes back as %s (%v)", s, got, err)
	}
	for n := range data {
		if _, err := DecodeSchema(data[:n]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut to %d of %d bytes: %v", n, len(data), err)
		}
	}
	if _, err := DecodeSchema(append(data, 0)); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
	deep := columnar.Int64Type
	for range maxDepth + 2 {
		deep = columnar.ListType(deep, true)
	}
	if _, err := DecodeSchema(AppendSchema(nil, columnartest.Schema(deep))); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a type nested too deep: %v", err)
	}
}

// FuzzSchema: any bytes are refused, or are a schema that is encoded as it was.
func FuzzSchema(f *testing.F) {
	f.Add(AppendSchema(nil, columnartest.Schema(columnartest.Types...)))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := DecodeSchema(data)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		_ = s.String()
		again, err := DecodeSchema(AppendSchema(nil, s))
		if err != nil || !again.Equal(s) || len(AppendSchema(nil, s)) > len(data) {
			t.Fatalf("%s comes back as %s (%v)", s, again, err)
		}
		if back := AppendSchema(nil, again); !bytes.Equal(back, AppendSchema(nil, s)) {
			t.Fatal("it is encoded otherwise the second time")
		}
	})
}
