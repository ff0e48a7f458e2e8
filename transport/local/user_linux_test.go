package local

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/transport"
)

// TestOtherUser: a process of another user is not served, even if the socket's
// mode would let it in.
func TestOtherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	_, at := connect(t, func(context.Context, identity.Name, transport.Stream) {})
	path, err := at.Of(Scheme)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, filepath.Dir(path), filepath.Dir(filepath.Dir(path))} {
		if err := os.Chmod(p, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	type answer struct {
		b   []byte
		err error
	}
	got := make(chan answer)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		const nobody = 65534
		if _, _, e := syscall.RawSyscall(syscall.SYS_SETRESUID, nobody, nobody, nobody); e != 0 {
			got <- answer{err: e}
			return
		}
		c, err := net.Dial("unix", path)
		if err != nil {
			got <- answer{[]byte("no connection at all"), err}
			return
		}
		defer c.Close()
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		_ = say(c, client)
		b, err := io.ReadAll(c)
		got <- answer{b, err}
	}()
	if a := <-got; len(a.b) > 0 || os.IsTimeout(a.err) {
		t.Errorf("another user is answered by %q, %v", a.b, a.err)
	}
}
