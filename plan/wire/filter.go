package wire

import "github.com/millrace-engine/millrace/plan/physical"

func (e *encoder) runtimeFilters(f int, rs []physical.RuntimeFilter) {
	for _, r := range rs {
		e.message(f, func(e *encoder) {
			e.int(1, int64(r.ID))
			e.int(2, int64(r.Column))
		})
	}
}

// runtimeFilter decodes one and appends it.
func runtimeFilter(f field, out *[]physical.RuntimeFilter) error {
	var r physical.RuntimeFilter
	err := fields(f.data, func(f field) error {
		switch f.num {
		case 1:
			r.ID = f.int()
		case 2:
			r.Column = f.int()
		}
		return nil
	})
	*out = append(*out, r)
	return err
}

// runtimeFilters checks that each names one of n columns.
func runtimeFilters(rs []physical.RuntimeFilter, n int) error {
	for _, r := range rs {
		if r.ID <= 0 || r.Column < 0 || r.Column >= n {
			return malformed("runtime filter %d of column %d of %d", r.ID, r.Column, n)
		}
	}
	return nil
}
