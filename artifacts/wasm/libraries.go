package wasm

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-engine/millrace/artifacts"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// Environment is the variable that makes a process the child of Libraries.
const Environment = "MILLRACE_WASM"

// Libraries are the functions of WebAssembly libraries in a process, and the children
// that run them. It is safe for concurrent use.
type Libraries struct {
	// Next finds the functions that are of no library.
	Next expr.Lookup

	mu     sync.Mutex
	idle   map[string][]*child // by the function's source
	all    map[*child]bool
	closed bool
}

// Close ends all children.
func (l *Libraries) Close() {
	l.mu.Lock()
	l.closed = true
	var all []*child
	for c := range l.all {
		all = append(all, c)
	}
	l.all, l.idle = nil, nil
	l.mu.Unlock()
	for _, c := range all {
		c.end()
	}
}

// scalar is a function of a library.
type scalar struct {
	Signature
	libraries *Libraries
}

var _ expr.ForeignScalar = (*scalar)(nil)

// hello tells a child what to run.
type hello struct {
	Path, Cache, Export string
	Params              string // letters
	Result              string
	Pages               uint32
}

// child is a process that runs one function.
type child struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	w    *bufio.Writer
	r    *bufio.Reader
	once sync.Once
}

func (c *child) end() {
	c.once.Do(func() {
		c.in.Close()
		c.cmd.Process.Kill()
		c.cmd.Wait()
	})
}

func (s *scalar) failed(format string, args ...any) *diag.Error {
	return diag.New(diag.FunctionFailed, "the function %s of a WebAssembly library failed: %s", s.Name, fmt.Sprintf(format, args...)).
		WithRemedy("correct the library, or what the function is given")
}

// take returns a child that runs the function.
func (s *scalar) take() (*child, error) {
	source, err := s.source()
	if err != nil {
		return nil, err
	}
	l := s.libraries
	l.mu.Lock()
	if n := len(l.idle[source]); n > 0 {
		c := l.idle[source][n-1]
		l.idle[source] = l.idle[source][:n-1]
		l.mu.Unlock()
		return c, nil
	}
	l.mu.Unlock()
	path, err := artifacts.LookupID(s.Library)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(self)}
	c.cmd.Env = append(os.Environ(), Environment+"=1")
	c.cmd.Stderr, c.cmd.SysProcAttr = io.Discard, artifacts.Child()
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	c.w, c.r = bufio.NewWriterSize(c.in, 256<<10), bufio.NewReaderSize(out, 256<<10)
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		c.end()
		return nil, errors.New("wasm: the session has ended")
	}
	if l.all == nil {
		l.all, l.idle = map[*child]bool{}, map[string][]*child{}
	}
	l.all[c] = true
	l.mu.Unlock()
	h := hello{Path: path, Cache: filepath.Join(filepath.Dir(path), "wasm-cache"), Export: s.Export, Result: string(letters[s.Result.Kind]), Pages: uint32(s.Memory >> 16)}
	for _, p := range s.Params {
		h.Params += string(letters[p.Kind])
	}
	err = json.NewEncoder(c.w).Encode(h)
	if err == nil {
		err = c.w.Flush()
	}
	if err == nil {
		err = s.within(c, starting, func() error { return s.answered(c) })
	}
	if err != nil {
		s.drop(c)
		return nil, err
	}
	return c, nil
}

// starting bounds compiling and initializing a module.
const starting = 60 * time.Second

// within runs f, which waits for a child, and kills it when that takes too long.
func (s *scalar) within(c *child, limit time.Duration, f func() error) error {
	var late atomic.Bool
	t := time.AfterFunc(limit, func() {
		late.Store(true)
		c.cmd.Process.Kill()
	})
	err := f()
	t.Stop()
	if err != nil && late.Load() {
		return s.failed("it took more than %s for a batch, and was stopped", limit)
	}
	return err
}

// answered reads whether the child could do it; else what it says.
func (s *scalar) answered(c *child) error {
	ok, err := c.r.ReadByte()
	if err != nil {
		return s.failed("its process ended")
	}
	if ok == 0 {
		return nil
	}
	var n uint32
	if err := binary.Read(c.r, binary.LittleEndian, &n); err != nil || n > 64<<10 {
		return s.failed("its process ended")
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(c.r, text); err != nil {
		return s.failed("its process ended")
	}
	return s.failed("%s", text)
}

func (s *scalar) drop(c *child) {
	l := s.libraries
	l.mu.Lock()
	delete(l.all, c)
	l.mu.Unlock()
	c.end()
}

// Compute implements expr.ForeignScalar. Rows that do not count are passed in too,
// empty where they are null.
func (s *scalar) Compute(n int, sel []uint16, args []*columnar.Vector, scratch *memory.Scratch) (v columnar.Vector, err error) {
	c, err := s.take()
	if err != nil {
		return v, err
	}
	err = s.within(c, s.Call, func() error {
		sent := s.send(c, n, args, scratch)
		if err := s.answered(c); err != nil { // who fails does not read to the end
			return err
		}
		if sent != nil {
			return sent
		}
		v, err = s.receive(c, n, scratch)
		return err
	})
	if err != nil { // it may have anything in its pipe
		s.drop(c)
		var d *diag.Error
		if !errors.As(err, &d) {
			err = s.failed("its process ended: %v", err)
		}
		return v, err
	}
	if !s.Nulls {
		for _, a := range args {
			v.Valid = both(v.Valid, a, n, scratch)
		}
	}
	l := s.libraries
	l.mu.Lock()
	if !l.closed {
		source, _ := s.source() // it was made before
		l.idle[source] = append(l.idle[source], c)
	}
	l.mu.Unlock()
	return v, nil
}

// both makes rows null that an argument has null.
func both(valid columnar.Bitmap, a *columnar.Vector, n int, s *memory.Scratch) columnar.Bitmap {
	if !a.HasNulls() {
		return valid
	}
	of := a.Valid
	if a.Enc == columnar.Const {
		of = columnar.Bitmap(s.Bytes(columnar.BitmapBytes(n)))
		of.Fill(n, !a.NullAt(0))
	}
	if valid == nil {
		return of
	}
	out := columnar.Bitmap(s.Bytes(columnar.BitmapBytes(n)))
	kernel.And(out, valid, of, n)
	return out
}

// send writes a batch: rows, and each column's buffers with their lengths.
func (s *scalar) send(c *child, n int, args []*columnar.Vector, scratch *memory.Scratch) error {
	var b [12]byte
	binary.LittleEndian.PutUint32(b[:], uint32(n))
	c.w.Write(b[:4]) // errors come with Flush
	for _, a := range args {
		if a.Enc == columnar.Const {
			f := kernel.Flatten(a, scratch)
			a = &f
		}
		var valid, data, bytes []byte
		if a.Valid != nil {
			valid = a.Valid[:(n+7)/8]
		}
		switch {
		case a.Type.IsBytes():
			off := a.Offsets()
			data, bytes = a.Data[:4*(n+1)], a.Bytes[off[0]:off[n]]
			if off[0] != 0 {
				moved := memory.Slice[int32](scratch, n+1)
				for i := range moved {
					moved[i] = off[i] - off[0]
				}
				data = columnar.BytesOf(moved)
			}
		case a.Type.Kind == columnar.Bool:
			data = a.Data[:(n+7)/8]
		default:
			data = a.Data[:n*int(a.Width)]
		}
		for i, x := range [][]byte{valid, data, bytes} {
			binary.LittleEndian.PutUint32(b[4*i:], uint32(len(x)))
		}
		c.w.Write(b[:])
		c.w.Write(valid)
		c.w.Write(data)
		c.w.Write(bytes)
	}
	return c.w.Flush()
}

// receive reads the result's buffers, which the child has checked (W2); it is not
// trusted either.
func (s *scalar) receive(c *child, n int, scratch *memory.Scratch) (v columnar.Vector, err error) {
	var head [12]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return v, err
	}
	var size [3]int
	for i := range size {
		size[i] = int(binary.LittleEndian.Uint32(head[4*i:]))
	}
	v = columnar.Vector{Type: s.Result, Width: uint8(s.Result.FixedWidth()), Len: n}
	want := n * int(v.Width)
	switch {
	case s.Result.IsBytes():
		want = 4 * (n + 1)
	case s.Result.Kind == columnar.Bool:
		want = (n + 7) / 8
	}
	if size[0] != 0 && size[0] != (n+7)/8 || size[1] != want || size[2] > 1<<31-1 || size[2] > 0 && !s.Result.IsBytes() {
		return v, fmt.Errorf("a result of %d bytes", size)
	}
	read := func(n, room int) ([]byte, error) {
		b := scratch.Bytes(room)
		clear(b[n:])
		_, err := io.ReadFull(c.r, b[:n])
		return b, err
	}
	if size[0] > 0 {
		b, err := read(size[0], columnar.BitmapBytes(n))
		if err != nil {
			return v, err
		}
		v.Valid = b
	}
	room := size[1]
	if s.Result.Kind == columnar.Bool {
		room = columnar.BitmapBytes(n)
	}
	if v.Data, err = read(size[1], room); err != nil {
		return v, err
	}
	if !s.Result.IsBytes() {
		return v, nil
	}
	if v.Bytes, err = read(size[2], size[2]); err != nil {
		return v, err
	}
	last := int32(0)
	for _, o := range columnar.View[int32](v.Data, n+1) {
		if o < last {
			return v, errors.New("offsets that go back")
		}
		last = o
	}
	if int(last) != size[2] {
		return v, errors.New("offsets that do not fit the bytes")
	}
	return v, nil
}
