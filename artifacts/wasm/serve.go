package wasm

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// Serve is the life of a child: it runs one function of one module for what comes in,
// until that ends.
func Serve(in io.Reader, out io.Writer) error {
	r, w := bufio.NewReaderSize(in, 256<<10), bufio.NewWriterSize(out, 256<<10)
	line, err := r.ReadBytes('\n')
	if err != nil {
		return err
	}
	var h hello
	if err := json.Unmarshal(line, &h); err != nil {
		return err
	}
	ctx := context.Background()
	g, err := open(ctx, &h)
	if err := answer(w, err); err != nil {
		return err
	}
	if err != nil {
		return nil
	}
	defer g.runtime.Close(ctx)
	for {
		rows, columns, err := g.take(ctx, r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		var result [3][]byte
		if err == nil {
			result, err = g.call(ctx, rows, columns)
		}
		if errors.Is(err, errPipe) {
			return err
		}
		if err := answer(w, err); err != nil {
			return err
		}
		if err != nil {
			return nil // a guest that failed is not asked again
		}
		var head [12]byte
		for i, b := range result {
			binary.LittleEndian.PutUint32(head[4*i:], uint32(len(b)))
		}
		w.Write(head[:]) // errors come with Flush
		for _, b := range result {
			w.Write(b)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
}

// answer tells whether it went well; a failure is sent at once.
func answer(w *bufio.Writer, failure error) error {
	if failure == nil {
		if err := w.WriteByte(0); err != nil {
			return err
		}
		if w.Buffered() == 1 { // of hello; a result follows otherwise
			return w.Flush()
		}
		return nil
	}
	text := failure.Error()
	if len(text) > 1000 {
		text = text[:1000]
	}
	w.WriteByte(1)
	binary.Write(w, binary.LittleEndian, uint32(len(text)))
	w.WriteString(text)
	return w.Flush()
}

// guest is a module that runs.
type guest struct {
	*hello
	runtime wazero.Runtime
	memory  api.Memory
	alloc   api.Function
	run     api.Function
	said    *said
}

// said keeps the first bytes that a guest writes to its standard error, where a
// language's runtime says why it gives up.
type said struct{ text []byte }

func (s *said) Write(b []byte) (int, error) {
	s.text = append(s.text, b[:min(len(b), mostSaid-len(s.text))]...)
	return len(b), nil
}

const mostSaid = 400

// errPipe is wrapped by failures to read what to do.
var errPipe = errors.New("wasm: the pipe broke")

func open(ctx context.Context, h *hello) (_ *guest, err error) {
	code, err := os.ReadFile(h.Path)
	if err != nil {
		return nil, err
	}
	c := wazero.NewRuntimeConfig().WithMemoryLimitPages(max(h.Pages, 1))
	if cache, err := wazero.NewCompilationCacheWithDir(h.Cache); err == nil { // W3; else it is compiled each time
		c = c.WithCompilationCache(cache)
	}
	rt := wazero.NewRuntimeWithConfig(ctx, c)
	defer func() {
		if err != nil {
			rt.Close(ctx)
		}
	}()
	wasi_snapshot_preview1.MustInstantiate(ctx, rt)
	compiled, err := rt.CompileModule(ctx, code)
	if err != nil {
		return nil, fmt.Errorf("it is no WebAssembly module that can run here: %v", err)
	}
	said := &said{}
	m, err := rt.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithStartFunctions("_initialize").WithStderr(said))
	if err != nil {
		return nil, fmt.Errorf("the module does not start: %v", err)
	}
	g := &guest{hello: h, runtime: rt, memory: m.Memory(), alloc: m.ExportedFunction("millrace_alloc"), run: m.ExportedFunction(h.Export), said: said}
	switch {
	case g.memory == nil:
		return nil, errors.New("the module exports no memory")
	case !has(g.alloc, 1):
		return nil, errors.New("the module exports no millrace_alloc(u32) u32")
	case !has(g.run, 2):
		return nil, fmt.Errorf("the module exports no %s(u32, u32) u32", h.Export)
	}
	return g, nil
}

// has reports a function of n i32 that returns one.
func has(f api.Function, n int) bool {
	if f == nil {
		return false
	}
	d := f.Definition()
	if len(d.ParamTypes()) != n || len(d.ResultTypes()) != 1 || d.ResultTypes()[0] != api.ValueTypeI32 {
		return false
	}
	for _, p := range d.ParamTypes() {
		if p != api.ValueTypeI32 {
			return false
		}
	}
	return true
}

// room allocates in the guest; the address is checked.
func (g *guest) room(ctx context.Context, n uint32) (uint32, []byte, error) {
	out, err := g.alloc.Call(ctx, uint64(n))
	if err != nil {
		return 0, nil, g.trapped(err)
	}
	at := uint32(out[0])
	b, ok := g.memory.Read(at, n)
	if at == 0 || !ok {
		return 0, nil, fmt.Errorf("the guest has no room for %d bytes: a guest may have %d MiB", n, g.Pages>>4)
	}
	return at, b, nil
}

// trapped shortens what wazero says to its first line, and adds the first that the
// guest wrote.
func (g *guest) trapped(err error) error {
	text, _, _ := strings.Cut(err.Error(), "\n")
	if line, _, _ := strings.Cut(string(g.said.text), "\n"); line != "" {
		text += ": " + strings.ToValidUTF8(line, "?")
	}
	return errors.New(text)
}

// take reads a batch into the guest's memory.
func (g *guest) take(ctx context.Context, r *bufio.Reader) (rows, args uint32, err error) {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:4]); err != nil {
		return 0, 0, io.EOF
	}
	rows = binary.LittleEndian.Uint32(head[:])
	columns := make([]byte, 0, 12*len(g.Params))
	for range len(g.Params) {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return 0, 0, fmt.Errorf("%w: %w", errPipe, err)
		}
		for i := range 3 {
			n, at := binary.LittleEndian.Uint32(head[4*i:]), uint32(0)
			if n > 0 || i == 1 {
				var b []byte
				if at, b, err = g.room(ctx, max(n, 1)); err != nil {
					return 0, 0, err
				}
				if _, err := io.ReadFull(r, b[:n]); err != nil {
					return 0, 0, fmt.Errorf("%w: %w", errPipe, err)
				}
			}
			columns = binary.LittleEndian.AppendUint32(columns, at)
		}
	}
	args, b, err := g.room(ctx, uint32(len(columns)))
	if err == nil {
		copy(b, columns)
	}
	return rows, args, err
}

// call runs the function and checks what it answers (W2).
func (g *guest) call(ctx context.Context, rows, args uint32) (out [3][]byte, err error) {
	got, err := g.run.Call(ctx, uint64(rows), uint64(args))
	if err != nil {
		return out, g.trapped(err)
	}
	at, ok := g.memory.Read(uint32(got[0]), 12)
	if got[0] == 0 || !ok {
		return out, fmt.Errorf("it answers with no column")
	}
	width := map[string]uint32{"i": 4, "l": 8, "d": 8}[g.Result]
	size := rows * width
	text := g.Result == "s" || g.Result == "x"
	switch {
	case text:
		size = 4 * (rows + 1)
	case g.Result == "b":
		size = (rows + 7) / 8
	}
	read := func(i int, n uint32) bool {
		out[i], ok = g.memory.Read(binary.LittleEndian.Uint32(at[4*i:]), n)
		return ok
	}
	outside := errors.New("it answers with addresses outside its memory")
	if binary.LittleEndian.Uint32(at) != 0 && !read(0, (rows+7)/8) {
		return out, outside
	}
	if !read(1, size) {
		return out, outside
	}
	if text {
		last := uint32(0)
		for i := uint32(0); i <= rows; i++ {
			o := binary.LittleEndian.Uint32(out[1][4*i:])
			if o < last || o > 1<<31-1 || i == 0 && o != 0 {
				return out, errors.New("it answers with offsets that do not rise from 0")
			}
			last = o
		}
		if last > 0 && !read(2, last) {
			return out, outside
		}
	}
	return out, nil
}
