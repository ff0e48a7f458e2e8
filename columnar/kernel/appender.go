package kernel

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/internal/diag"
)

// maxColumnBytes bounds the bytes of one string column (int32 offsets).
const maxColumnBytes = 1<<31 - 1

// Appender grows columns out of the selected rows of batches: the rows of a
// partition, a run of a sort, the build side of a join. A string column that
// comes with the same stable dictionary every time keeps it. It is used by one
// goroutine at a time.
type Appender struct {
	rows    int
	columns []column
	memory  memory.Reservation
	held    int64
	hash    []uint64
	hashOf  columnar.KeySet
	reused  bool
}

// NewAppender returns an appender of columns of the given types that charges r,
// which may be nil.
func NewAppender(types []columnar.Type, r memory.Reservation) *Appender {
	a := &Appender{columns: make([]column, len(types)), memory: r}
	for i, t := range types {
		a.columns[i].typ = t
	}
	return a
}

// Expect tells an empty appender how many rows will come and what their strings take,
// so that it makes its buffers in that size at once. More may come.
func (a *Appender) Expect(rows int, stringBytes int) {
	for i := range a.columns {
		a.columns[i].usualRows, a.columns[i].usualBytes = rows, stringBytes+slack
	}
}

// Len returns the rows appended since the last Take.
func (a *Appender) Len() int { return a.rows }

// Append adds the selected rows of a batch. Errors are those of AppendRows.
func (a *Appender) Append(b *columnar.Batch) error { return a.AppendRows(b, b.Sel) }

// AppendRows adds some rows of a batch, in any order, all of them if rows is nil.
// A hash that the batch carries goes along as long as every batch has one of the
// same keys. memory.ErrSpill means that the rows are in but not paid for; any
// other error leaves the appender unusable.
func (a *Appender) AppendRows(b *columnar.Batch, rows []uint16) error {
	n := b.Rows
	if rows != nil {
		n = len(rows)
	}
	if n == 0 {
		return nil
	}
	p := span[uint16]{n: n, rows: rows}
	if rows != nil && isRun(rows) {
		p.from, p.rows = int(rows[0]), nil
	}
	for i := range a.columns {
		if err := appendTo(&a.columns[i], &b.Cols[i], p); err != nil {
			return err
		}
	}
	switch {
	case b.Hash == nil || a.rows > 0 && (len(a.hash) != a.rows || !a.hashOf.Equal(b.HashOf)):
		a.hash = nil
	default:
		a.hashOf = b.HashOf
		if a.hash = grow(a.hash, n); p.rows == nil {
			copy(a.hash[a.rows:], b.Hash[p.from:p.from+n])
		} else {
			gather(a.hash[a.rows:], b.Hash, rows)
		}
	}
	a.rows += n
	return a.charge()
}

// isRun reports whether rows are consecutive.
func isRun(rows []uint16) bool {
	k := len(rows) - 1
	if int(rows[k])-int(rows[0]) != k {
		return false
	}
	for i, r := range rows {
		if int(r) != int(rows[0])+i {
			return false
		}
	}
	return true
}

// Bytes returns the bytes that the columns hold now.
func (a *Appender) Bytes() int64 {
	n := int64(8 * cap(a.hash))
	for i := range a.columns {
		n += a.columns[i].size()
	}
	return n
}

// Growing returns what n more rows like those that are there may take on top of Bytes
// while they are appended: buffers without room for them are copied into twice as
// large ones.
func (a *Appender) Growing(n int) (bytes int64) {
	for i := range a.columns {
		bytes += a.columns[i].growing(n)
	}
	return bytes
}

// Held returns the bytes that the appender has charged for what it holds now.
func (a *Appender) Held() int64 { return a.held }

// charge pays for what is held.
func (a *Appender) charge() error {
	if a.memory == nil {
		return nil
	}
	if n := a.Bytes(); n > a.held {
		if !a.memory.TryGrow(n - a.held) {
			return memory.ErrSpill
		}
		a.held = n
	}
	return nil
}

// Take returns everything appended as one dense, stable batch and starts anew.
// The charge stays with the reservation: it is the batch's now.
func (a *Appender) Take(schema *columnar.Schema) *columnar.Batch {
	for i := range a.columns {
		a.columns[i].trim()
	}
	b := a.Batch(schema, 0, a.rows)
	for i := range a.columns {
		a.columns[i] = a.columns[i].again()
	}
	a.rows, a.hash, a.held = 0, nil, 0
	return b
}

// Reset forgets all rows and keeps the memory: what Batch returned before is
// overwritten, so that from now on it returns batches that are not stable.
func (a *Appender) Reset() {
	a.reused = true
	for i := range a.columns {
		a.columns[i].reset()
	}
	a.rows, a.hash = 0, a.hash[:0]
}

// Batch returns n rows from row from on as a dense, stable batch that shares the
// appender's memory where it can. Rows may be appended meanwhile: what is
// returned does not change.
func (a *Appender) Batch(schema *columnar.Schema, from, n int) *columnar.Batch {
	b := &columnar.Batch{Schema: schema, Rows: n, Cols: make([]columnar.Vector, len(a.columns))}
	for i := range a.columns {
		v := a.columns[i].vector()
		if a.reused {
			unsettle(&v)
		}
		b.Cols[i] = Slice(&v, from, n, nil)
	}
	if a.hash != nil && len(a.hash) == a.rows {
		b.Hash, b.HashOf = a.hash[from:from+n], a.hashOf
	}
	return b
}

// unsettle marks a vector as one whose memory will be overwritten.
func unsettle(v *columnar.Vector) {
	v.Stable = false
	for i := range v.Kids {
		unsettle(&v.Kids[i])
	}
}

func tooLong() error {
	return diag.New(diag.MemoryLimit, "the strings of one column exceed 2 GiB in one place").
		WithRemedy("select fewer columns or rows, or use more partitions (sql.shuffle.partitions)")
}
