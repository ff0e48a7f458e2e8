package process

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"
)

// Process is a process that this one started. It is told to end over its standard
// input, the end of which also comes when this process dies.
type Process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	done  chan struct{}
	once  sync.Once
	said  *Tail
}

// grace is how long a process may take to end by itself.
const grace = 5 * time.Second

// saidBytes is how much of what a process says on standard error is kept.
const saidBytes = 4 << 10

// Spawn starts a command, which gets spec as JSON over standard input. ended is
// called once, in a goroutine of its own, when the process has ended.
func Spawn(cmd *exec.Cmd, spec any, ended func(p *Process, err error)) (*Process, error) {
	b, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, done: make(chan struct{}), said: NewTail(saidBytes)}
	cmd.Stderr, cmd.SysProcAttr, cmd.WaitDelay = p.said, apart(), grace
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go p.stdin.Write(b) // ends when it is read, or with the process; who reads half of it complains
	go func() {         // ends with the process
		err := cmd.Wait()
		close(p.done)
		ended(p, err)
	}()
	return p, nil
}

// Pid is the process's id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Said is the last that it wrote to standard error.
func (p *Process) Said() string { return p.said.String() }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// farewell tells a process that it is to end, and not an orphan.
const farewell = "\nend\n"

// Ask asks the process to end.
func (p *Process) Ask() {
	p.once.Do(func() {
		go func() { // ends when it is read, or with the process
			p.stdin.Write([]byte(farewell))
			p.stdin.Close()
		}()
	})
}

// Kill ends it at once.
func (p *Process) Kill() { p.cmd.Process.Kill() }

// End asks the process to end, insists after a grace, and returns when it is gone.
func (p *Process) End() {
	p.Ask()
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-p.done:
	case <-t.C:
		p.Kill()
		<-p.done
	}
}

// Reason says why a process ended that nobody asked to: its status, err as Wait gave it,
// and what it said last.
func (p *Process) Reason(err error) error {
	if err == nil {
		err = errEnded
	}
	if said := p.Said(); said != "" {
		return fmt.Errorf("%w: %s", err, said)
	}
	return err
}

var errEnded = errors.New("it ended, and nobody had asked it to")

// Tail keeps the last bytes that are written to it. It is safe for concurrent use.
type Tail struct {
	mu  sync.Mutex
	max int
	b   []byte
}

// NewTail returns a Tail that keeps at least max bytes.
func NewTail(max int) *Tail { return &Tail{max: max} }

// Write implements io.Writer.
func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if n := len(t.b) - t.max; n > t.max { // seldom, so that it costs little
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(b), nil
}

// String returns what was kept.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.b[max(0, len(t.b)-t.max):]))
}
