package memory

import (
	"os"
	"syscall"
	"testing"
)

// What is written to a shared region is seen by who maps its file, also when the
// region itself is gone; whoever pays gets everything back.
func TestSharedRegion(t *testing.T) {
	b := NewBroker(16 << 20)
	r := b.Reserve("task", 0)
	before, _ := SlabBytes()
	x, paid := NewRegion(100_000, 100_000, r, true)
	if x.File() == nil || !paid || r.Held() != x.Size() {
		t.Fatalf("file %v, paid %v: %d bytes charged of %d", x.File(), paid, r.Held(), x.Size())
	}
	if live, _ := SlabBytes(); live != before+x.Size() {
		t.Fatalf("%d bytes are counted, want %d", live, before+x.Size())
	}
	fd, err := syscall.Dup(int(x.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	y, err := OpenRegion(os.NewFile(uintptr(fd), "other"))
	if err != nil {
		t.Fatal(err)
	}
	copy(x.Bytes()[70_000:], "hello")
	if at, ok := x.Offset(x.Bytes()[70_000:70_005]); !ok || at != 70_000 {
		t.Fatalf("offset %d %v", at, ok)
	}
	if _, ok := x.Offset(y.Bytes()[:5]); ok {
		t.Fatal("memory of another region has an offset")
	}
	if err := x.File().Truncate(4096); err == nil {
		t.Fatal("the file can be cut while others read it")
	}
	x.Hold()
	x.Release()
	x.Settle()
	x.Release()
	if got := string(y.Bytes()[70_000:70_005]); got != "hello" {
		t.Fatalf("read %q", got)
	}
	y.Release()
	r.Close()
	if live, _ := SlabBytes(); live != before || b.Reserved() != 0 {
		t.Fatalf("%d bytes are counted, %d reserved", live, b.Reserved())
	}
}

// A file whose size its owner may change would end this process: it is refused.
func TestOpenRegionUnsealed(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(4096); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRegion(f); err == nil {
		t.Fatal("a file that can be cut is mapped")
	}
}

// A region that memory has no room for is there, and says so.
func TestRegionShort(t *testing.T) {
	b := NewBroker(2 << 20)
	r := b.Reserve("task", 0)
	x, paid := NewRegion(4<<20, 4<<20, r, false)
	if paid || len(x.Bytes()) < 4<<20 || b.Reserved() == 0 {
		t.Fatalf("paid %v, %d bytes, %d reserved", paid, len(x.Bytes()), b.Reserved())
	}
	x.Release()
	r.Close()
	if b.Reserved() != 0 {
		t.Fatalf("%d bytes are reserved", b.Reserved())
	}
}
