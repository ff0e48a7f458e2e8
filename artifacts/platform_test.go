package artifacts

import (
	"bytes"
	"encoding/binary"
	"os"
	"runtime"
	"testing"
)

// Headers of other systems and processors are told apart; what is no program is not.
func TestPlatformOf(t *testing.T) {
	elf := func(class, order, system byte, machine uint16) []byte {
		b := make([]byte, 64)
		copy(b, []byte{0x7f, 'E', 'L', 'F', class, order, 1, system})
		if order == 2 {
			binary.BigEndian.PutUint16(b[18:], machine)
		} else {
			binary.LittleEndian.PutUint16(b[18:], machine)
		}
		return b
	}
	mach := func(machine uint32) []byte {
		b := binary.LittleEndian.AppendUint32([]byte{0xcf, 0xfa, 0xed, 0xfe}, machine)
		return append(b, make([]byte, 56)...)
	}
	pe := append(append([]byte("MZ"), make([]byte, 58)...), 64, 0, 0, 0, 'P', 'E', 0, 0, 0x64, 0xaa)
	linux := Platform{"linux", "amd64"}
	for _, c := range []struct {
		name string
		b    []byte
		want string
		runs bool
	}{
		{"ELF amd64", elf(2, 1, 0, 62), "amd64", true},
		{"ELF linux amd64", elf(2, 1, 3, 62), "linux/amd64", true},
		{"ELF freebsd amd64", elf(2, 1, 9, 62), "freebsd/amd64", false},
		{"ELF arm64", elf(2, 1, 0, 183), "arm64", false},
		{"ELF ppc64le", elf(2, 1, 0, 21), "ppc64le", false},
		{"ELF s390x", elf(2, 2, 0, 22), "s390x", false},
		{"ELF of what", elf(2, 1, 0, 9999), "a processor that is not known", false},
		{"Mach-O arm64", mach(12 | 1<<24), "darwin/arm64", false},
		{"Mach-O amd64", mach(7 | 1<<24), "darwin/amd64", false},
		{"PE arm64", pe, "windows/arm64", false},
	} {
		p, err := PlatformOf(bytes.NewReader(c.b))
		if err != nil || p.String() != c.want || p.Runs(linux) != c.runs {
			t.Errorf("%s: %s runs: %v, %v", c.name, p, p.Runs(linux), err)
		}
	}
	for name, b := range map[string][]byte{"text": bytes.Repeat([]byte("# "), 64), "nothing": nil, "a short ELF": elf(2, 1, 0, 62)[:20], "MZ without PE": append([]byte("MZ"), make([]byte, 100)...)} {
		if p, err := PlatformOf(bytes.NewReader(b)); err == nil {
			t.Errorf("%s is a program for %s", name, p)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if p, err := PlatformOf(f); err != nil || !p.Runs(Platform{runtime.GOOS, runtime.GOARCH}) {
		t.Errorf("this test is for %s: %v", p, err)
	}
}
