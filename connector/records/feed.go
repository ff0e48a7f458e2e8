package records

import (
	"errors"
	"io"

	"github.com/millrace-engine/millrace/connector/cells"
	"github.com/millrace-engine/millrace/connector/lines"
)

// batchBytes bounds the text of the records that are cut at once.
const batchBytes = 4 << 20

// Feed is the text of a range, of which a Source cuts records.
type Feed struct {
	In   *lines.Reader
	used int // bytes of the text that the sheet before took
	done bool
}

// Fill clears a sheet and fills it with up to limit records, fewer once they are
// 4 MiB of text; io.EOF if there is none left. cut appends the records that begin
// in text[at:left] and returns where it stopped, and whether no record can follow
// there; unless final, more text can follow.
func (f *Feed) Fill(sheet *cells.Sheet, limit int, cut func(text []byte, at, left int, final bool) (next int, last bool, err error)) error {
	sheet.Clear()
	f.In.Skip(f.used)
	f.used = 0
	for !f.done {
		final := f.In.Done()
		next, last, err := cut(f.In.Text(), f.used, f.In.Left(), final)
		if err != nil {
			return err
		}
		f.used = next
		if sheet.Rows >= limit || sheet.Rows > 0 && next > batchBytes {
			break
		}
		if final || last {
			f.done = true
			break
		}
		if sheet.Rows == 0 { // nothing refers to the text yet
			f.In.Skip(f.used)
			f.used = 0
		}
		if err := f.In.More(); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	if sheet.Rows == 0 {
		return io.EOF
	}
	sheet.Text = f.In.Text()
	return nil
}

// Line returns the line of the file that a byte of the text lies in.
func (f *Feed) Line(at int) int { return lines.LineAt(f.In.Path, f.In.Offset()+int64(at)) }

// BytesRead implements Source.
func (f *Feed) BytesRead() int64 { return f.In.BytesRead() }

// Close implements Source.
func (f *Feed) Close() error { return f.In.Close() }
