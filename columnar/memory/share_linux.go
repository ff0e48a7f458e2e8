package memory

import (
	"errors"
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// seals of a region's file: it keeps its size, and who maps it from now on can only
// read.
const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_FUTURE_WRITE | unix.F_SEAL_SEAL

// mapFile makes a file without a name and maps it; nil where the system refuses.
func mapFile(size int) ([]byte, *os.File) {
	fd, err := unix.MemfdCreate("millrace", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, nil
	}
	f := os.NewFile(uintptr(fd), "region")
	var b []byte
	if err = unix.Ftruncate(fd, int64(size)); err == nil {
		b, err = unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	}
	if err == nil {
		if _, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
			_ = unix.Munmap(b)
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, nil
	}
	return b, f
}

// openFile maps a file of another process, which must not change size, for reading.
func openFile(f *os.File) ([]byte, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var b []byte
	failed := raw.Control(func(fd uintptr) {
		var s unix.Stat_t
		has, e := unix.FcntlInt(fd, unix.F_GET_SEALS, 0)
		if e == nil {
			e = unix.Fstat(int(fd), &s)
		}
		switch {
		case e != nil:
			err = e
		case has&seals != seals:
			err = errors.New("its file is not sealed")
		case s.Size <= 0 || s.Size > math.MaxInt32:
			err = fmt.Errorf("its file has %d bytes", s.Size)
		default:
			b, err = unix.Mmap(int(fd), 0, int(s.Size), unix.PROT_READ, unix.MAP_SHARED)
		}
	})
	return b, errors.Join(failed, err)
}

func unmapFile(b []byte) { _ = unix.Munmap(b) }
