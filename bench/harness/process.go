package harness

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/millrace-engine/millrace/internal/diag"
)

// Engine says how an engine's process is started.
type Engine struct {
	Name    string
	Warmups int      // runs of each query before the first that is measured
	Command []string // program and arguments
	Env     []string // besides the harness' own, as KEY=value
	// Profiles says that run and convert with the name of a file repeat the work
	// for some seconds and write a processor profile of it there.
	Profiles bool
}

// guardEvery is how often the memory of a process at work is looked at.
const guardEvery = 200 * time.Millisecond

// process is a running engine. One goroutine uses it at a time.
type process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr tail
}

// start starts an engine's process in a group of its own, so that an interrupt
// from the terminal reaches the harness alone.
func start(e Engine) (*process, error) {
	p := &process{cmd: exec.Command(e.Command[0], e.Command[1:]...)}
	p.cmd.Env = append(p.cmd.Environ(), e.Env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Stderr = &p.stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.in, p.out = in, bufio.NewReaderSize(out, 1<<16)
	return p, nil
}

// errGone says that a call left no process that could answer another one.
var errGone = errors.New("the process has ended")

// call sends a request and waits for the reply. An error of the engine comes in
// the reply; any other wraps errGone, and the process has been ended: because it
// ended by itself, ctx did, or it used more than guard bytes of memory.
func (p *process) call(ctx context.Context, r Request, guard int64) (*Reply, usage, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return nil, usage{}, err
	}
	pids := tree(p.cmd.Process.Pid)
	reset := resetPeak(pids)
	type answer struct {
		line []byte
		err  error
	}
	got := make(chan answer, 1)
	go func() { // ends with the line, or with the process
		_, err := p.in.Write(append(line, '\n'))
		var line []byte
		if err == nil {
			line, err = p.out.ReadBytes('\n')
		}
		got <- answer{line, err}
	}()
	tick := time.NewTicker(guardEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			p.kill()
			<-got
			return nil, usage{}, fmt.Errorf("%w: %w", errGone, ctx.Err())
		case <-tick.C:
			if used := status(pids, "VmRSS"); guard > 0 && used > guard {
				p.kill()
				<-got
				return nil, usage{}, fmt.Errorf("%w: it used %d MiB of memory, more than the machine can spare", errGone, used>>20)
			}
		case a := <-got:
			if a.err != nil {
				p.kill()
				return nil, usage{}, fmt.Errorf("%w%s", errGone, p.stderr.last())
			}
			rep := &Reply{}
			if err := json.Unmarshal(a.line, rep); err != nil {
				p.kill()
				return nil, usage{}, fmt.Errorf("%w: it answered %.80q", errGone, a.line)
			}
			u := usage{rss: status(pids, "VmRSS")}
			if reset {
				u.peak = status(tree(p.cmd.Process.Pid), "VmHWM")
			}
			return rep, u, nil
		}
	}
}

// usage is the resident memory of a process and its descendants, in bytes: now,
// and at most during a call; 0 is not known.
type usage struct{ rss, peak int64 }

// close ends the process by the end of its input, and if that does not help soon,
// by force.
func (p *process) close() {
	p.in.Close()
	done := make(chan struct{})
	go func() {
		p.cmd.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
	}
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // its children, if it left some
	<-done
}

// kill ends the process and its children at once.
func (p *process) kill() {
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	p.in.Close()
	p.cmd.Wait()
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailBytes = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if n := len(t.b); n > tailBytes {
		t.b = append(t.b[:0], t.b[n-tailBytes:]...)
	}
	return len(b), nil
}

// last returns ": " and the last line that is not empty, or nothing.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.b)), "\n")
	if line := strings.TrimSpace(lines[len(lines)-1]); line != "" {
		return ": " + line
	}
	return ""
}

// session is an engine that has opened the tables, started again when needed.
type session struct {
	engine  Engine
	open    Request
	guard   int64
	proc    *process
	version string
	conf    map[string]string
	idle    int64
}

// ready starts the process if there is none.
func (s *session) ready(ctx context.Context) error {
	if s.proc != nil {
		return nil
	}
	p, err := start(s.engine)
	if err != nil {
		return diag.New(diag.PathNotFound, "%s cannot be started: %v", s.engine.Name, err).WithCause(err)
	}
	rep, u, err := p.call(ctx, s.open, s.guard)
	if err != nil {
		return diag.New(diag.Internal, "%s did not open: %v", s.engine.Name, err).WithCause(err)
	}
	if rep.Error != "" {
		p.close()
		return diag.New(diag.InvalidArgument, "%s did not open: %s", s.engine.Name, rep.Error)
	}
	s.proc, s.version, s.conf, s.idle = p, rep.Version, rep.Settings, u.rss
	return nil
}

// call asks the engine; the process is started if there is none, and is gone
// after an error.
func (s *session) call(ctx context.Context, r Request) (*Reply, usage, error) {
	if err := s.ready(ctx); err != nil {
		return nil, usage{}, err
	}
	rep, u, err := s.proc.call(ctx, r, s.guard)
	if err != nil {
		s.proc = nil
	}
	return rep, u, err
}

func (s *session) close() {
	if s.proc != nil {
		s.proc.close()
		s.proc = nil
	}
}
