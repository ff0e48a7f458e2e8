package window

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
)

// picked builds a vector of values that lie in several others.
type picked struct {
	typ   columnar.Type
	out   *kernel.Appender
	from  *columnar.Vector
	at    []uint16 // values of from that were not copied yet
	nulls int      // or this many nulls
}

func newPicked(t columnar.Type) *picked {
	return &picked{typ: t, out: kernel.NewAppender([]columnar.Type{t}, nil)}
}

// put adds row i of a vector, which must not change before the next flush.
func (p *picked) put(v *columnar.Vector, i int) error {
	if v != p.from || p.nulls > 0 {
		if err := p.flush(); err != nil {
			return err
		}
		p.from = v
	}
	p.at = append(p.at, uint16(i))
	return nil
}

// null adds a null.
func (p *picked) null() error {
	if len(p.at) > 0 {
		if err := p.flush(); err != nil {
			return err
		}
	}
	p.nulls++
	return nil
}

// flush copies what was put.
func (p *picked) flush() (err error) {
	switch {
	case p.nulls > 0:
		err = p.out.Append(&columnar.Batch{Cols: []columnar.Vector{kernel.Nulls(p.typ, p.nulls)}, Rows: p.nulls})
	case len(p.at) > 0:
		err = p.out.AppendRows(&columnar.Batch{Cols: []columnar.Vector{*p.from}, Rows: p.from.Len}, p.at)
	}
	p.from, p.at, p.nulls = nil, p.at[:0], 0
	return err
}

// take returns the vector, valid until the next take.
func (p *picked) take() (columnar.Vector, error) {
	if err := p.flush(); err != nil {
		return columnar.Vector{}, err
	}
	v := p.out.Take(nil).Cols[0]
	return v, nil
}
