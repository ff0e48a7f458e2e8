package database

import (
	"bufio"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// Serve is the main of an artifact: it serves a driver that the executable has
// registered with database/sql, over its standard input and output, until these end.
// What the driver prints goes to standard error, which nobody reads.
func Serve(driverName string) {
	out := os.Stdout
	os.Stdout = os.Stderr
	if err := serve(driverName, os.Stdin, out); err != nil {
		fmt.Fprintln(os.Stderr, "database:", err)
		os.Exit(1)
	}
}

// server is one connection.
type server struct {
	*wire
	db      *sql.DB
	conn    *sql.Conn
	tx      *sql.Tx
	cursors map[uint64]*cursor
	last    uint64 // cursor
}

type cursor struct {
	rows    *sql.Rows
	columns int
}

func serve(name string, in io.Reader, out io.Writer) error {
	s := &server{wire: &wire{r: bufio.NewReader(in), w: bufio.NewWriter(out)}, cursors: map[uint64]*cursor{}}
	defer s.close()
	ctx := context.Background()
	for {
		kind, f, err := s.receive()
		if errors.Is(err, io.EOF) && kind == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		answer, err := s.answer(ctx, name, kind, &f)
		if err != nil {
			answer = putText([]byte{kFailure}, err.Error())
		}
		if err := s.send(answer); err != nil {
			return err
		}
	}
}

func (s *server) close() {
	for _, c := range s.cursors {
		c.rows.Close()
	}
	if s.tx != nil {
		s.tx.Rollback()
	}
	if s.conn != nil {
		s.conn.Close()
		s.db.Close()
	}
}

// answer does what a frame asks for.
func (s *server) answer(ctx context.Context, name string, kind byte, f *fields) (out []byte, err error) {
	ok := []byte{kOK}
	if s.conn == nil && kind != kOpen {
		return nil, errors.New("no database is open")
	}
	switch kind {
	case kOpen:
		dsn := f.text()
		if f.err != nil || s.conn != nil {
			return nil, errFrame
		}
		if s.db, err = sql.Open(name, dsn); err != nil {
			return nil, err
		}
		s.conn, err = s.db.Conn(ctx)
		return ok, err
	case kQuery, kExec:
		text, args := f.text(), anys(f.values())
		if f.err != nil {
			return nil, f.err
		}
		if kind == kExec {
			return s.exec(ctx, text, args)
		}
		return s.query(ctx, text, args)
	case kNext:
		return s.next(f.uint())
	case kFree:
		id := f.uint()
		c := s.cursors[id]
		if c == nil {
			return nil, errFrame
		}
		delete(s.cursors, id)
		return ok, c.rows.Close()
	case kBegin:
		s.tx, err = s.conn.BeginTx(ctx, nil)
		return ok, err
	case kCommit, kRollback:
		tx := s.tx
		s.tx = nil
		switch {
		case tx == nil:
			return nil, errors.New("there is no transaction")
		case kind == kCommit:
			return ok, tx.Commit()
		}
		return ok, tx.Rollback()
	}
	return nil, errFrame
}

func anys(vs []driver.Value) []any {
	out := make([]any, len(vs))
	for i, v := range vs {
		out[i] = v
	}
	return out
}

func (s *server) exec(ctx context.Context, text string, args []any) ([]byte, error) {
	exec := s.conn.ExecContext
	if s.tx != nil {
		exec = s.tx.ExecContext
	}
	r, err := exec(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	id, _ := r.LastInsertId() // a driver need not have them
	n, _ := r.RowsAffected()
	return binary.AppendVarint(binary.AppendVarint([]byte{kResult}, id), n), nil
}

func (s *server) query(ctx context.Context, text string, args []any) ([]byte, error) {
	query := s.conn.QueryContext
	if s.tx != nil {
		query = s.tx.QueryContext
	}
	rows, err := query(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	names, err := rows.Columns()
	if err != nil {
		rows.Close()
		return nil, err
	}
	s.last++
	s.cursors[s.last] = &cursor{rows, len(names)}
	out := binary.AppendUvarint(binary.AppendUvarint([]byte{kColumns}, s.last), uint64(len(names)))
	for _, n := range names {
		out = putText(out, n)
	}
	return out, nil
}

// next puts together a piece of rows.
func (s *server) next(id uint64) ([]byte, error) {
	c := s.cursors[id]
	if c == nil {
		return nil, errFrame
	}
	values, into := make([]any, c.columns), make([]any, c.columns)
	for i := range values {
		into[i] = &values[i]
	}
	var body []byte
	n, more := uint64(0), true
	for len(body) < maxRows {
		if more = c.rows.Next(); !more {
			break
		}
		if err := c.rows.Scan(into...); err != nil {
			return nil, err
		}
		for _, v := range values {
			var err error
			if body, err = putValue(body, v); err != nil {
				return nil, err
			}
		}
		n++
	}
	if err := c.rows.Err(); err != nil {
		return nil, err
	}
	last := byte(0)
	if more {
		last = 1
	}
	return append(binary.AppendUvarint([]byte{kRows, last}, n), body...), nil
}
