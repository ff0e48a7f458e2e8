package chaos

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// disk is a file system in memory that can be filled.
type disk struct {
	dir  string
	size int64 // bytes
}

// mount puts a file system of size bytes at a directory, which is made.
func mount(dir string, size int64) (*disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := syscall.Mount("millrace-chaos", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size)); err != nil {
		return nil, err
	}
	return &disk{dir, size}, nil
}

// unmount takes it away, though files in it may be open yet.
func (d *disk) unmount() error { return syscall.Unmount(d.dir, syscall.MNT_DETACH) }

// fill leaves no room: the file system shrinks to what lies in it. The function
// that it returns makes room again.
func (d *disk) fill() (undo func(), err error) {
	undo = func() { _ = d.resize(d.size) } // to grow it needs nothing
	for range 100 {
		var st syscall.Statfs_t
		if err := syscall.Statfs(d.dir, &st); err != nil {
			return nil, err
		}
		used := int64(st.Blocks-st.Bfree) * st.Bsize
		if err = d.resize(max(used, st.Bsize)); err != nil { // more lies there by now
			time.Sleep(time.Millisecond)
			continue
		}
		if err := syscall.Statfs(d.dir, &st); err != nil || st.Bavail > 0 && used > 0 {
			continue // something was removed
		}
		return undo, nil
	}
	undo()
	return nil, errMissed
}

func (d *disk) resize(to int64) error {
	return syscall.Mount("millrace-chaos", d.dir, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%d", to))
}

// damageSpill changes a byte of a file that one of these processes has spilled to.
func damageSpill(pids []int, r *rand.Rand) error {
	for _, at := range r.Perm(len(pids)) {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pids[at]))
		r.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
		for _, f := range files {
			if to, err := os.Readlink(f); err == nil && strings.Contains(to, ".spill") && damage(f, r) == nil {
				return nil
			}
		}
	}
	return errMissed
}

// damageKept changes a byte of a file below a directory that was written since a
// moment.
func damageKept(dir string, since time.Time, r *rand.Rand) error {
	var files []string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error { // what is removed meanwhile is not there
		if err == nil && d.Type().IsRegular() {
			if i, err := d.Info(); err == nil && i.Size() > 0 && i.ModTime().After(since) {
				files = append(files, path)
			}
		}
		return nil
	})
	if len(files) == 0 {
		return errMissed
	}
	return damage(files[r.IntN(len(files))], r)
}

// damage changes a byte of a file and sees that it did.
func damage(path string, r *rand.Rand) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return errMissed
	}
	defer f.Close()
	i, err := f.Stat()
	if err != nil || i.Size() == 0 {
		return errMissed
	}
	at, err := unix.Seek(int(f.Fd()), r.Int64N(i.Size()), unix.SEEK_DATA) // not where nothing is any more
	if err != nil {
		return errMissed
	}
	var was, is [1]byte
	if _, err := f.ReadAt(was[:], at); err != nil {
		return errMissed
	}
	if _, err := f.WriteAt([]byte{was[0] ^ 1<<r.IntN(8)}, at); err != nil {
		return errMissed
	}
	if _, err := f.ReadAt(is[:], at); err != nil || is == was {
		return errMissed // overwritten already
	}
	return nil
}
