// Command driver is an artifact: it serves a small database/sql driver, of files of
// lines key=value. Any other driver is served the same way: it is imported for its
// registration, and named.
package main

import (
	"bufio"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/millrace-engine/millrace/artifacts/database"
)

// version is told apart by what SELECT version yields: -ldflags="-X main.version=2".
var version = "1"

func main() {
	sql.Register("lines", lines{})
	database.Serve("lines")
}

// lines is the driver: the data source is the path of a file.
type lines struct{}

func (lines) Open(path string) (driver.Conn, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c := conn{}
	in := bufio.NewScanner(f)
	for in.Scan() {
		if k, v, ok := strings.Cut(in.Text(), "="); ok {
			c[k] = v
		}
	}
	return c, in.Err()
}

// conn has the values by their keys.
type conn map[string]string

func (c conn) Prepare(query string) (driver.Stmt, error) {
	switch query {
	case "SELECT value WHERE key = ?":
		return statement{c, 1}, nil
	case "SELECT version":
		return statement{c, 0}, nil
	}
	return nil, errors.New("this driver knows SELECT value WHERE key = ? and SELECT version")
}

func (conn) Close() error              { return nil }
func (conn) Begin() (driver.Tx, error) { return nil, errors.New("files of lines have no transactions") }

type statement struct {
	c    conn
	args int
}

func (s statement) Close() error  { return nil }
func (s statement) NumInput() int { return s.args }
func (s statement) Exec([]driver.Value) (driver.Result, error) {
	return nil, errors.New("files of lines are not changed")
}

func (s statement) Query(args []driver.Value) (driver.Rows, error) {
	if s.args == 0 {
		return &rows{value: version, some: true}, nil
	}
	key, _ := args[0].(string)
	v, ok := s.c[key]
	return &rows{value: v, some: ok}, nil
}

// rows has one row at most.
type rows struct {
	value string
	some  bool
}

func (*rows) Columns() []string { return []string{"value"} }
func (*rows) Close() error      { return nil }
func (r *rows) Next(into []driver.Value) error {
	if !r.some {
		return io.EOF
	}
	r.some, into[0] = false, r.value
	return nil
}
