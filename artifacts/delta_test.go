package artifacts

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// program is like compiled code: every 40 bytes there is an address, moved by shift.
func program(n, shift int) []byte {
	b := random(9, n)
	for i := 0; i+4 <= n; i += 40 {
		binary.LittleEndian.PutUint32(b[i:], uint32(0x400000+i+shift))
	}
	return b
}

// A program whose addresses have moved shares no chunk with the one before, but travels
// as what changed in each.
func TestFetchMoved(t *testing.T) {
	a := newApp(t, "app-1")
	before, after := program(8<<20, 0), append([]byte("a little longer"), program(8<<20, 0x12340)...)
	first, second := a.add(before), a.add(after)
	store := newStore(t, 1<<30)
	for i, r := range []Ref{first, second} {
		f := a.executor("1", store)
		if err := f.Fetch(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		got, most := f.Got.Load(), int64(len(before))
		if i == 1 {
			most /= 2
		}
		t.Logf("%d of %d bytes", got, r.Size)
		if got > most {
			t.Errorf("%d bytes travelled for artifact %d, more than %d", got, i, most)
		}
		f.Close()
	}
	holds(t, store, first, before)
	holds(t, store, second, after)
	if sent := a.server.Sent(); sent > int64(len(before))*3/2 {
		t.Errorf("the driver sent %d bytes", sent)
	}
	// Who has lost the base, or has a damaged one, gets all of it.
	third := a.add(program(8<<20, 0x555))
	for _, damaged := range []bool{false, true} {
		store := newStore(t, 1<<30)
		if damaged {
			b := random(1, 8<<20)
			if err := store.root.WriteFile(first.ID.String(), b, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := store.root.WriteFile(second.ID.String(), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.executor("2", store).Fetch(t.Context(), third); err != nil {
			t.Fatal(err)
		}
		holds(t, store, third, program(8<<20, 0x555))
	}
}

// A delta that is damaged is refused or makes other bytes; it never does more.
func FuzzExpand(f *testing.F) {
	base, chunk := program(100<<10, 0), program(64<<10, 77)
	small, err := shrink(base, chunk)
	if err != nil || len(small) == 0 || len(small) > len(chunk)/3 {
		f.Fatalf("a delta of %d bytes: %v", len(small), err)
	}
	f.Add(small)
	f.Fuzz(func(t *testing.T, delta []byte) {
		out := make([]byte, len(chunk))
		if err := expand(base, delta, out); err == nil && bytes.Equal(delta, small) && !bytes.Equal(out, chunk) {
			t.Error("other bytes")
		}
	})
}
