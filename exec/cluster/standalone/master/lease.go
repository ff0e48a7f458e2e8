package master

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/internal/diag"
)

// Election is how one of several masters, which share a directory, comes to lead:
//
//	lease-7   {"Master": "10.0.0.1:7077", "Beat": 41}     the newest one is the leader's
//
// The leader writes its lease again and again. Who waits and sees it unchanged for TTL
// makes the next one, which only one can: a file that is there is not made again. No
// clock is compared with another's. An old leader finds that there is a newer lease
// before it says that something is on disk, and ends.
type Election struct {
	Dir  string        // which all masters share
	Self string        // for people
	TTL  time.Duration // 0 stands for five seconds
}

// Lease is the right to lead, until it is lost or released.
type Lease struct {
	Election
	n      int
	lost   chan struct{}
	once   sync.Once
	stop   context.CancelFunc
	beats  sync.WaitGroup
	renews time.Time // the last success; owned by the beating goroutine
}

// leaseBody is what a lease says.
type leaseBody struct {
	Master   string
	Beat     int
	Released bool
}

const leasePrefix = "lease-"

// looks is how often within TTL the leader writes, and others look.
const looks = 8

// Elect waits until this master leads, or ctx ends. The lease has to be released.
func Elect(ctx context.Context, e Election) (*Lease, error) {
	if e.TTL == 0 {
		e.TTL = 5 * time.Second
	}
	if err := os.MkdirAll(e.Dir, 0o700); err != nil {
		return nil, diag.New(diag.PathDenied, "the directory %s of the masters cannot be made: %v", e.Dir, err).WithPath(e.Dir).WithCause(err)
	}
	look := time.NewTicker(e.TTL / looks)
	defer look.Stop()
	seen, text, since := -1, "", time.Now()
	for {
		n, last, err := e.newest()
		if err != nil {
			return nil, err
		}
		if n != seen || last != text {
			seen, text, since = n, last, time.Now()
		}
		var body leaseBody
		_ = json.Unmarshal([]byte(last), &body) // who leads may be writing it
		if n == 0 || body.Released || time.Since(since) >= e.TTL {
			l, err := e.take(n + 1)
			if l != nil || err != nil {
				return l, err
			}
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// newest returns the newest lease, 0 if there is none.
func (e *Election) newest() (n int, text string, err error) {
	files, err := os.ReadDir(e.Dir)
	if err != nil {
		return 0, "", e.failed(err)
	}
	for _, f := range files {
		if s, ok := strings.CutPrefix(f.Name(), leasePrefix); ok {
			if x, err := strconv.Atoi(s); err == nil {
				n = max(n, x)
			}
		}
	}
	if n == 0 {
		return 0, "", nil
	}
	b, err := os.ReadFile(e.path(n))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, "", e.failed(err)
	}
	return n, string(b), nil
}

func (e *Election) path(n int) string { return filepath.Join(e.Dir, leasePrefix+strconv.Itoa(n)) }

func (e *Election) failed(err error) error {
	return diag.New(diag.ClusterFailed, "the lease of the masters cannot be read or written: %v", err).WithPath(e.Dir).WithCause(err).
		WithRemedy("--dir of masters with --elect has to be a directory that all of them share")
}

// written makes a file with a lease under a name of its own.
func (e *Election) written(b leaseBody) (path string, err error) {
	text, err := json.Marshal(b)
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(e.Dir, ".lease-")
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// take makes lease n, nil if somebody was faster.
func (e *Election) take(n int) (*Lease, error) {
	path, err := e.written(leaseBody{Master: e.Self})
	if err != nil {
		return nil, e.failed(err)
	}
	defer os.Remove(path)
	if err := os.Link(path, e.path(n)); errors.Is(err, fs.ErrExist) {
		return nil, nil
	} else if err != nil {
		return nil, e.failed(err)
	}
	for old := n - 1; old > 0 && os.Remove(e.path(old)) == nil; old-- {
	}
	l := &Lease{Election: *e, n: n, lost: make(chan struct{}), renews: time.Now()}
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.beats.Go(func() { l.keep(ctx) })
	return l, nil
}

// keep writes the lease again and again until ctx ends or it is lost.
func (l *Lease) keep(ctx context.Context) {
	t := time.NewTicker(l.TTL / looks)
	defer t.Stop()
	for beat := 1; ; beat++ {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		err := l.Check()
		if errors.Is(err, errDeposed) {
			return
		}
		if err == nil {
			err = l.write(leaseBody{Master: l.Self, Beat: beat})
		}
		switch {
		case err == nil:
			l.renews = time.Now()
		case time.Since(l.renews) > l.TTL/2: // others may take it for lost soon
			l.lose()
			return
		}
	}
}

func (l *Lease) write(b leaseBody) error {
	path, err := l.written(b)
	if err != nil {
		return err
	}
	if err := os.Rename(path, l.path(l.n)); err != nil {
		os.Remove(path)
		return err
	}
	return nil
}

var errDeposed = errors.New("another master leads")

// Check fails if there is a newer lease: what was written before it succeeds was written
// before a newer leader read.
func (l *Lease) Check() error {
	n, _, err := l.newest()
	if err == nil && n > l.n {
		l.lose()
		return fmt.Errorf("%w: lease %d is newer than %d", errDeposed, n, l.n)
	}
	return err
}

func (l *Lease) lose() { l.once.Do(func() { close(l.lost) }) }

// Lost is closed when another master leads, or may soon.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// Release lets another master lead at once.
func (l *Lease) Release() error {
	l.stop()
	l.beats.Wait()
	select {
	case <-l.lost:
		return nil
	default:
	}
	l.lose()
	return l.write(leaseBody{Master: l.Self, Released: true})
}
