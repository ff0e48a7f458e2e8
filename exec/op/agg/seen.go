package agg

import "github.com/millrace-engine/millrace/columnar"

// seen tells which groups have had a value. While every row counts that need
// not be kept: a group exists because of a row. It is kept from the first row on
// that does not count.
type seen struct{ of []bool }

// track begins keeping: groups below fresh have had a value, those from fresh on
// have not.
func (s *seen) track(fresh, groups int) {
	s.of = make([]bool, max(groups, 1))
	for g := range s.of[:min(fresh, groups)] {
		s.of[g] = true
	}
}

func (s *seen) grow(n int) {
	if s.of != nil {
		s.of = extend(s.of, n)
	}
}

// mark notes that the groups have a value.
func (s *seen) mark(groups []uint32) {
	if s.of == nil {
		return
	}
	for _, g := range groups {
		s.of[g] = true
	}
}

// valid returns the bitmap of groups from … from+n−1, nil if all have a value.
func (s *seen) valid(from, n int) columnar.Bitmap {
	if s.of == nil {
		return nil
	}
	return valid(n, func(i int) bool { return s.of[from+i] })
}

func (s *seen) reset()       { s.of = nil }
func (s *seen) bytes() int64 { return int64(cap(s.of)) }

// valid returns a bitmap of n bits, nil if all are set.
func valid(n int, set func(i int) bool) columnar.Bitmap {
	var b columnar.Bitmap
	for i := range n {
		if !set(i) {
			if b == nil {
				b = columnar.NewBitmap(n)
				b.Fill(n, true)
			}
			b.Clear(i)
		}
	}
	return b
}

// extend lengthens a slice of something by group to n elements; new ones are zero.
func extend[T any](s []T, n int) []T {
	if n <= len(s) {
		return s
	}
	if n > cap(s) {
		s = append(make([]T, 0, roomFor(n)), s...)
	}
	return s[:n] // what lies beyond the length is zero: wiped clears
}

// wiped returns an empty slice of the same memory, zero throughout.
func wiped[T any](s []T) []T {
	clear(s)
	return s[:0]
}
