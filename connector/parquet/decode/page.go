package decode

import (
	"errors"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// Coded reports whether the page's values are codes of the dictionary.
func (pg *Page) Coded() bool { return pg.coded }

// Full reports whether every row of the page is known to have a value: Valid need
// not be asked then.
func (pg *Page) Full() bool { return pg.none }

// Valid reads which of the next n rows have values into the front of a bitmap,
// and returns how many do.
func (pg *Page) Valid(dst columnar.Bitmap, n int) (int, error) {
	if pg.none {
		dst.Fill(n, true)
		return n, nil
	}
	if err := pg.levels.Bits(dst, 0, n); err != nil {
		return 0, err
	}
	return dst.Count(n), nil
}

// Skip passes n rows.
func (pg *Page) Skip(n int) error {
	if !pg.none {
		ones, err := pg.levels.SkipBits(n)
		if err != nil {
			return err
		}
		n = ones
	}
	return pg.SkipValues(n)
}

// Levels reads as many repetition and definition levels as the slices, which are
// of one length, hold. Columns without one kind have zeros.
func (pg *Page) Levels(rep, def []uint32) error {
	if err := pg.reps.Codes(rep); err != nil {
		return err
	}
	return pg.levels.Codes(def)
}

// SkipValues passes n values.
func (pg *Page) SkipValues(n int) error {
	switch {
	case n == 0:
		return nil
	case pg.coded:
		return pg.codes.Skip(n)
	}
	return pg.values.skip(n)
}

// Codes fills out with the next codes. They are not checked against the
// dictionary.
func (pg *Page) Codes(out []uint32) error {
	if !pg.coded {
		return errors.New("a page has no codes")
	}
	return pg.codes.Codes(out)
}

// Fixed returns the next n values of a fixed width in plain layout, aligned to 8
// bytes, as long as the page or s lives.
func (pg *Page) Fixed(n int, s *memory.Scratch) ([]byte, error) { return pg.values.fixed(n, s) }

// Strings returns n+1 offsets and the bytes of the next n strings, as long as the
// page or s lives.
func (pg *Page) Strings(n int, s *memory.Scratch) ([]int32, []byte, error) {
	return pg.values.strings(n, s)
}

// Bools reads the next n values into the front of a bitmap.
func (pg *Page) Bools(dst columnar.Bitmap, n int) error { return pg.values.bools(dst, n) }

func plainBits(dst columnar.Bitmap, b []byte, at, n int) {
	kernel.CopyBits(dst, 0, columnar.Bitmap(b), at, n)
}
