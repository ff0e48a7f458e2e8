package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/millrace-engine/millrace/artifacts"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Open returns a database by way of a driver in an artifact of the session, a library
// that Session.AddLibrary, ADD LIBRARY or --artifact has added: an executable whose
// main is Serve. Library is its name, or NAME@ and the first digits of its hash. Each
// connection is a process; Close ends them. It works where tasks run.
func Open(library, dsn string) (*sql.DB, error) {
	path, err := artifacts.Lookup(library)
	if err != nil {
		return nil, err
	}
	if err := runs(library, path); err != nil {
		return nil, err
	}
	return sql.OpenDB(&connector{library, path, dsn}), nil
}

// runs refuses what is no program of this platform.
func runs(library, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return failed("the library %s cannot be read: %v", library, err)
	}
	defer f.Close()
	p, err := artifacts.PlatformOf(f)
	here := artifacts.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}
	if err != nil {
		return failed("the library %s has no driver: %v", library, err).WithRemedy("build it for %s, with a main that calls database.Serve", here)
	}
	if !p.Runs(here) {
		return failed("the library %s is for %s; this executor is %s", library, p, here).WithRemedy("build it with GOOS=%s GOARCH=%s", here.OS, here.Arch)
	}
	return nil
}

func failed(format string, args ...any) *diag.Error {
	return diag.New(diag.ArtifactFailed, format, args...)
}

// connector starts a process for each connection.
type connector struct{ library, path, dsn string }

var _ driver.Connector = (*connector)(nil)

// Driver implements driver.Connector.
func (c *connector) Driver() driver.Driver { return c }

// Open implements driver.Driver.
func (c *connector) Open(dsn string) (driver.Conn, error) {
	return (&connector{c.library, c.path, dsn}).Connect(context.Background())
}

// Connect implements driver.Connector.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	x := &conn{library: c.library, cmd: exec.Command(c.path)}
	x.cmd.SysProcAttr = artifacts.Child() // standard error: nobody reads it
	in, err := x.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := x.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := x.cmd.Start(); err != nil {
		return nil, failed("the library %s does not start: %v", c.library, err).WithRemedy("it must be an executable, and the artifact store on a file system that lets programs run: artifact.dir")
	}
	x.in, x.wire = in, newWire(out, in)
	if _, _, err := x.ask(ctx, kOK, putText([]byte{kOpen}, c.dsn)); err != nil {
		x.Close()
		return nil, err
	}
	return x, nil
}

// conn is a process that serves the driver.
type conn struct {
	library string
	cmd     *exec.Cmd
	in      io.Closer
	*wire
	broken bool
	once   sync.Once
}

var (
	_ driver.Conn           = (*conn)(nil)
	_ driver.ConnBeginTx    = (*conn)(nil)
	_ driver.QueryerContext = (*conn)(nil)
	_ driver.ExecerContext  = (*conn)(nil)
	_ driver.Validator      = (*conn)(nil)
)

// leave is how long a driver has to end by itself.
const leave = 2 * time.Second

// Close implements driver.Conn: the process sees the end of its input, and is killed if
// it does not end (B3).
func (c *conn) Close() error {
	c.once.Do(func() {
		c.in.Close()
		t := time.AfterFunc(leave, func() { c.cmd.Process.Kill() })
		if c.broken {
			c.cmd.Process.Kill()
		}
		c.cmd.Wait()
		t.Stop()
	})
	return nil
}

// IsValid implements driver.Validator.
func (c *conn) IsValid() bool { return !c.broken }

// ask sends a frame and returns the answer of a kind. Who is cancelled while the driver
// works kills it.
func (c *conn) ask(ctx context.Context, want byte, frame []byte) (byte, fields, error) {
	if c.broken {
		return 0, fields{}, driver.ErrBadConn
	}
	stop := context.AfterFunc(ctx, func() { c.cmd.Process.Kill() })
	err := c.send(frame)
	var kind byte
	var f fields
	if err == nil {
		kind, f, err = c.receive()
	}
	if !stop() && ctx.Err() != nil {
		c.broken = true
		return 0, f, ctx.Err()
	}
	if err != nil {
		c.broken = true
		return 0, f, failed("the driver in the library %s ended: %v", c.library, err).WithRemedy("its main must call database.Serve with a driver that it imports")
	}
	if kind == kFailure {
		text := f.text()
		return 0, f, fmt.Errorf("%s: %s", c.library, text)
	}
	if kind != want || f.err != nil {
		return 0, f, c.malformed()
	}
	return kind, f, nil
}

func (c *conn) malformed() error {
	c.broken = true
	return failed("the driver in the library %s answers what nobody asked for", c.library)
}

// Prepare implements driver.Conn: the text is prepared when it runs.
func (c *conn) Prepare(query string) (driver.Stmt, error) { return &statement{c, query}, nil }

// Begin implements driver.Conn.
func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

// BeginTx implements driver.ConnBeginTx.
func (c *conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if o.ReadOnly || o.Isolation != 0 {
		return nil, errors.New("database: a driver in an artifact has transactions of its own default alone")
	}
	_, _, err := c.ask(ctx, kOK, []byte{kBegin})
	return transaction{c}, err
}

type transaction struct{ c *conn }

func (t transaction) Commit() error {
	_, _, err := t.c.ask(context.Background(), kOK, []byte{kCommit})
	return err
}

func (t transaction) Rollback() error {
	_, _, err := t.c.ask(context.Background(), kOK, []byte{kRollback})
	return err
}

// call makes a frame of a text and its arguments.
func call(kind byte, text string, named []driver.NamedValue) ([]byte, error) {
	args := make([]driver.Value, len(named))
	for i, n := range named {
		if n.Name != "" {
			return nil, errors.New("database: a driver in an artifact takes arguments by position")
		}
		args[i] = n.Value
	}
	return putValues(putText([]byte{kind}, text), args)
}

// ExecContext implements driver.ExecerContext.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	frame, err := call(kExec, query, args)
	if err != nil {
		return nil, err
	}
	_, f, err := c.ask(ctx, kResult, frame)
	if err != nil {
		return nil, err
	}
	r := outcome{f.int(), f.int()}
	if f.err != nil {
		return nil, c.malformed()
	}
	return r, nil
}

type outcome struct{ id, rows int64 }

func (o outcome) LastInsertId() (int64, error) { return o.id, nil }
func (o outcome) RowsAffected() (int64, error) { return o.rows, nil }

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	frame, err := call(kQuery, query, args)
	if err != nil {
		return nil, err
	}
	_, f, err := c.ask(ctx, kColumns, frame)
	if err != nil {
		return nil, err
	}
	r := &result{c: c, ctx: ctx, cursor: f.uint(), more: true}
	for range f.count() {
		r.names = append(r.names, f.text())
	}
	if f.err != nil {
		return nil, c.malformed()
	}
	return r, nil
}

// statement is a text that runs later.
type statement struct {
	c    *conn
	text string
}

func (s *statement) Close() error  { return nil }
func (s *statement) NumInput() int { return -1 }

func (s *statement) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.c.ExecContext(ctx, s.text, args)
}

func (s *statement) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.c.QueryContext(ctx, s.text, args)
}

func (s *statement) Exec(args []driver.Value) (driver.Result, error) {
	return s.ExecContext(context.Background(), positional(args))
}

func (s *statement) Query(args []driver.Value) (driver.Rows, error) {
	return s.QueryContext(context.Background(), positional(args))
}

func positional(args []driver.Value) []driver.NamedValue {
	out := make([]driver.NamedValue, len(args))
	for i, a := range args {
		out[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	return out
}

// result are the rows of a query, a piece of them here.
type result struct {
	c      *conn
	ctx    context.Context // of the query: its rows end with it
	cursor uint64
	names  []string
	piece  []driver.Value
	more   bool
}

// Columns implements driver.Rows.
func (r *result) Columns() []string { return r.names }

// Close implements driver.Rows.
func (r *result) Close() error {
	if r.c.broken {
		return nil
	}
	_, _, err := r.c.ask(context.Background(), kOK, binary.AppendUvarint([]byte{kFree}, r.cursor))
	return err
}

// Next implements driver.Rows.
func (r *result) Next(into []driver.Value) error {
	for len(r.piece) == 0 {
		if !r.more || len(r.names) == 0 {
			return io.EOF
		}
		_, f, err := r.c.ask(r.ctx, kRows, binary.AppendUvarint([]byte{kNext}, r.cursor))
		if err != nil {
			return err
		}
		if len(f.b) == 0 {
			return r.c.malformed()
		}
		r.more, f.b = f.b[0] == 1, f.b[1:]
		n := f.count()
		if n == 0 && r.more || n > len(f.b)/len(r.names) {
			return r.c.malformed()
		}
		for range n * len(r.names) {
			r.piece = append(r.piece, f.value())
		}
		if f.err != nil {
			return r.c.malformed()
		}
	}
	n := copy(into, r.piece[:len(r.names)])
	r.piece = r.piece[n:]
	return nil
}
