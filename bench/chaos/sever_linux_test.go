package chaos

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestSever: what two processes send each other by sockets that they have is lost,
// both ways, until that is undone; a socket that is new gets through.
func TestSever(t *testing.T) {
	const echo = "MILLRACE_TEST_ECHO"
	if os.Getenv(echo) != "" {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(c.LocalAddr())
		b := make([]byte, 99)
		for n, from, err := c.ReadFrom(b); err == nil && n > 1; n, from, err = c.ReadFrom(b) { // one byte ends it
			_, _ = c.WriteTo(b[:n], from)
		}
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^TestSever$")
	child.Env = append(os.Environ(), echo+"=1")
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = child.Wait() }()
	lines := bufio.NewScanner(out)
	lines.Scan()
	dial := func() net.Conn {
		c, err := net.Dial("udp", lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	answers := func(c net.Conn) bool { // asks until there is an answer, or for some time
		_ = c.SetReadDeadline(time.Now())
		for range 20 {
			if _, err := c.Write([]byte("echo")); err != nil {
				t.Fatal(err)
			}
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			if n, err := c.Read(make([]byte, 99)); err == nil && n == 4 {
				return true
			}
		}
		return false
	}
	old := dial()
	defer func() { _, _ = dial().Write([]byte("q")) }()
	if !answers(old) {
		t.Fatal("there is no answer")
	}
	quit := make(chan struct{})
	go func() { // until there is something to lose
		for {
			select {
			case <-quit:
				return
			case <-time.After(time.Millisecond):
				_, _ = old.Write([]byte("echo"))
			}
		}
	}()
	undo, err := sever(child.Process.Pid, []int{os.Getpid()})
	close(quit)
	if errors.Is(err, errMissed) {
		t.Fatal("nothing was lost")
	} else if err != nil {
		t.Skip(err) // descriptors of others are not to be had
	}
	if answers(old) {
		t.Error("the old socket gets through")
	}
	if !answers(dial()) {
		t.Error("a new socket does not")
	}
	undo()
	if !answers(old) {
		t.Error("it lasts")
	}
	if _, err := sever(child.Process.Pid, nil); !errors.Is(err, errMissed) {
		t.Errorf("there is nobody to be severed from: %v", err)
	}
}
