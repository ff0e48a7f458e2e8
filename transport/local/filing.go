package local

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// maxFiles bounds the descriptors that came and were not asked for yet. The
// protocol asks for each at once, so a peer that sends more is up to no good.
const maxFiles = 4

// filing is a Unix connection that keeps the descriptors which come with bytes.
// Reads must be by one goroutine, as those of a line are.
type filing struct {
	*net.UnixConn
	oob [64]byte // room for a few descriptors; the kernel closes what is more

	mu     sync.Mutex
	closed bool
	files  []int
}

var errFiles = errors.New("the peer passed descriptors that nobody asked for")

// Read reads bytes and keeps the descriptors that come with them.
func (f *filing) Read(b []byte) (int, error) {
	n, oobn, _, _, err := f.ReadMsgUnix(b, f.oob[:])
	if oobn > 0 {
		if e := f.keep(f.oob[:oobn]); e != nil {
			return 0, e
		}
	}
	if n == 0 && err == nil && len(b) > 0 {
		return 0, io.EOF
	}
	return max(0, n), err
}

func (f *filing) keep(oob []byte) error {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range messages {
		fds, err := syscall.ParseUnixRights(&messages[i])
		if err != nil {
			continue // not descriptors
		}
		f.files = append(f.files, fds...)
	}
	if len(f.files) > maxFiles || f.closed {
		f.drop()
		return errFiles
	}
	return nil
}

func (f *filing) drop() {
	for _, fd := range f.files {
		_ = syscall.Close(fd)
	}
	f.files = nil
}

// Next implements link.Files.
func (f *filing) Next() (*os.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.files) == 0 {
		return nil, errors.New("a descriptor did not arrive")
	}
	fd := f.files[0]
	f.files = f.files[1:]
	return os.NewFile(uintptr(fd), "received"), nil
}

// WriteWith implements link.Files.
func (f *filing) WriteWith(b []byte, file *os.File) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var wrote error
	if err := raw.Control(func(fd uintptr) {
		n, _, err := f.WriteMsgUnix(b, syscall.UnixRights(int(fd)), nil)
		if wrote = err; err == nil && n < len(b) {
			_, wrote = f.Write(b[n:])
		}
	}); err != nil {
		return err
	}
	return wrote
}

// close closes the connection and what came with it.
func (f *filing) close() error {
	f.mu.Lock()
	f.closed = true
	f.drop()
	f.mu.Unlock()
	return f.UnixConn.Close()
}

// private makes a socket's file ours alone from its first moment on.
func private(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), 0o600) }); e != nil {
		return e
	}
	return err
}
