package database

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"reflect"
	"sync"
	"testing"
	"time"
)

// Values are the same after they travelled.
func TestValues(t *testing.T) {
	want := []driver.Value{nil, int64(-5), 2.5, true, false, []byte("a\x00b"), "täxt", time.Date(2024, 5, 6, 7, 8, 9, 10, time.UTC)}
	b, err := putValues(nil, want)
	if err != nil {
		t.Fatal(err)
	}
	f := fields{b: b}
	if got := f.values(); f.err != nil || !reflect.DeepEqual(got, want) || len(f.b) != 0 {
		t.Errorf("%v, %v", got, f.err)
	}
	for n := range b {
		f := fields{b: b[:n]}
		if f.values(); f.err == nil {
			t.Errorf("%d of %d bytes are enough", n, len(b))
		}
	}
	if _, err := putValue(nil, 1+2i); err == nil {
		t.Error("a complex number travels")
	}
}

// hollow is a driver of tables of one column and two rows.
type hollow struct{ at int }

func (hollow) Open(string) (driver.Conn, error)           { return hollow{}, nil }
func (hollow) Prepare(string) (driver.Stmt, error)        { return hollow{}, nil }
func (hollow) Close() error                               { return nil }
func (hollow) Begin() (driver.Tx, error)                  { return hollow{}, nil }
func (hollow) Commit() error                              { return nil }
func (hollow) Rollback() error                            { return nil }
func (hollow) NumInput() int                              { return -1 }
func (hollow) Exec([]driver.Value) (driver.Result, error) { return driver.RowsAffected(3), nil }
func (hollow) Query([]driver.Value) (driver.Rows, error)  { return &hollow{}, nil }
func (hollow) Columns() []string                          { return []string{"x"} }
func (h *hollow) Next(into []driver.Value) error {
	if h.at == 2 {
		return io.EOF
	}
	h.at++
	into[0] = int64(h.at)
	return nil
}

var register = sync.OnceFunc(func() { sql.Register("hollow", hollow{}) })

func frames(list ...[]byte) []byte {
	var b bytes.Buffer
	w := newWire(nil, &b)
	for _, f := range list {
		w.send(f)
	}
	return b.Bytes()
}

// A whole conversation, in and out of order.
func TestServe(t *testing.T) {
	register()
	text := func(kind byte, s string, args ...driver.Value) []byte {
		b, err := putValues(putText([]byte{kind}, s), args)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	in := frames([]byte{kBegin}, putText([]byte{kOpen}, "x"), text(kQuery, "q", int64(1)), []byte{kNext, 1}, []byte{kNext, 2}, []byte{kFree, 1}, []byte{kFree, 1},
		[]byte{kCommit}, []byte{kBegin}, text(kExec, "e"), []byte{kCommit}, []byte{99}, putText([]byte{kOpen}, "again"))
	var out bytes.Buffer
	if err := serve("hollow", bytes.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	r := newWire(&out, nil)
	for i, want := range []byte{kFailure, kOK, kColumns, kRows, kFailure, kOK, kFailure, kFailure, kOK, kResult, kOK, kFailure, kFailure} {
		kind, _, err := r.receive()
		if err != nil || kind != want {
			t.Errorf("answer %d is of kind %d, not %d: %v", i, kind, want, err)
		}
	}
}

// Whatever comes, a frame is read, refused or ended, and nothing is allocated for what
// is not there.
func FuzzServe(f *testing.F) {
	register()
	f.Add(frames(putText([]byte{kOpen}, "x"), append(putText([]byte{kQuery}, "q"), 1, 'n'), []byte{kNext, 1}))
	f.Add([]byte{0xff, 0xff, 0xff, 3, kOpen})
	f.Add([]byte{0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		if err := serve("hollow", bytes.NewReader(in), io.Discard); err != nil && !errors.Is(err, errFrame) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
	})
}
