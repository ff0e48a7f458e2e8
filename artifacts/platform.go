package artifacts

import (
	"encoding/binary"
	"errors"
	"io"
)

// Platform is an operating system and a processor by the names that Go has for them.
// An ELF file does not always tell its system: then OS is "".
type Platform struct{ OS, Arch string }

func (p Platform) String() string {
	if p.OS == "" {
		return p.Arch
	}
	return p.OS + "/" + p.Arch
}

// Runs reports whether a program made for p can run on that platform.
func (p Platform) Runs(on Platform) bool {
	return p.Arch == on.Arch && (p.OS == on.OS || p.OS == "" && on.OS != "darwin" && on.OS != "windows")
}

// errNoProgram says that a file has no header of a program.
var errNoProgram = errors.New("it is no program: it begins neither as ELF nor as Mach-O nor as PE")

// numbers of processors in headers.
var (
	elfMachines  = map[uint16]string{3: "386", 8: "mips", 20: "ppc", 21: "ppc64", 22: "s390x", 40: "arm", 62: "amd64", 183: "arm64", 243: "riscv64", 258: "loong64"}
	machMachines = map[uint32]string{7: "386", 7 | 1<<24: "amd64", 12: "arm", 12 | 1<<24: "arm64"}
	peMachines   = map[uint16]string{0x14c: "386", 0x1c4: "arm", 0x8664: "amd64", 0xaa64: "arm64"}
	elfSystems   = map[byte]string{2: "netbsd", 3: "linux", 6: "solaris", 9: "freebsd", 12: "openbsd"}
)

// PlatformOf reads the header of a program, no further. A file that is none, or is cut
// short within its header, is an error.
func PlatformOf(r io.ReaderAt) (p Platform, err error) {
	var b [64]byte
	if n, _ := r.ReadAt(b[:], 0); n < len(b) {
		return p, errNoProgram
	}
	known := func(os, arch string, ok bool) (Platform, error) {
		if !ok {
			arch = "a processor that is not known"
		}
		return Platform{os, arch}, nil
	}
	switch magic := binary.BigEndian.Uint32(b[:]); {
	case magic == 0x7f<<24|'E'<<16|'L'<<8|'F':
		order := binary.ByteOrder(binary.LittleEndian)
		if b[5] == 2 {
			order = binary.BigEndian
		}
		arch, ok := elfMachines[order.Uint16(b[18:])]
		if b[5] == 1 && (arch == "ppc64" || arch == "mips") {
			arch += "le"
		}
		return known(elfSystems[b[7]], arch, ok)
	case magic == 0xcffaedfe || magic == 0xcefaedfe:
		arch, ok := machMachines[binary.LittleEndian.Uint32(b[4:])]
		return known("darwin", arch, ok)
	case magic == 0xfeedfacf || magic == 0xfeedface:
		arch, ok := machMachines[binary.BigEndian.Uint32(b[4:])]
		return known("darwin", arch, ok)
	case b[0] == 'M' && b[1] == 'Z':
		at := int64(binary.LittleEndian.Uint32(b[60:]))
		var pe [6]byte
		if n, _ := r.ReadAt(pe[:], at); n < len(pe) || string(pe[:4]) != "PE\x00\x00" {
			return p, errNoProgram
		}
		arch, ok := peMachines[binary.LittleEndian.Uint16(pe[4:])]
		return known("windows", arch, ok)
	}
	return p, errNoProgram
}
