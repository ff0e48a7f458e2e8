package join

import (
	"context"
	"errors"
	"io"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
)

// What a batch of few rows costs beside its rows is paid by every operator that
// it goes through. So batches of less than few rows are collected until there
// are many, or until patience of them came, lest a LIMIT above waits for rows
// that it does not need.
const (
	few      = 64
	many     = 4096
	patience = 32
)

// coalescer collects small batches of a join's output.
type coalescer struct {
	schema *columnar.Schema
	rows   *kernel.Appender
	parts  int             // batches in rows
	held   *columnar.Batch // comes after rows; valid until the next pull
	ended  bool
}

func newCoalescer(s *columnar.Schema) coalescer {
	types := make([]columnar.Type, s.Len())
	for i, f := range s.Fields {
		types[i] = f.Type
	}
	return coalescer{schema: s, rows: kernel.NewAppender(types, nil)}
}

// next returns the next batch of what pull yields.
func (c *coalescer) next(ctx context.Context, pull func(context.Context) (*columnar.Batch, error)) (*columnar.Batch, error) {
	if b := c.held; b != nil {
		c.held = nil
		return b, nil
	}
	for !c.ended {
		b, err := pull(ctx)
		switch {
		case errors.Is(err, io.EOF):
			c.ended = true
		case err != nil:
			return nil, err
		case b.Selected() >= few && c.parts == 0:
			return b, nil
		case b.Selected() >= few:
			c.held = b
			return c.take(), nil
		default:
			if err := c.rows.Append(b); err != nil {
				return nil, err
			}
			c.parts++
		}
		if c.parts > 0 && (c.ended || c.parts == patience || c.rows.Len() >= many) {
			return c.take(), nil
		}
	}
	return nil, io.EOF
}

func (c *coalescer) take() *columnar.Batch {
	c.parts = 0
	return c.rows.Take(c.schema)
}
