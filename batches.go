package millrace

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace-engine/millrace/columnar/ipc"
)

// Batches runs the query and yields its rows as Arrow record batches, in order,
// while it runs; the setting driver.result.buffer bounds those that wait. Leaving
// the loop cancels the query. A record shares memory with the result where the
// layout agrees; it stays valid as long as it is referred to, and needs no
// Release.
func (d *DataFrame) Batches(ctx context.Context) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		r, err := d.Run(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		defer r.Close()
		schema, err := ipc.ToArrowSchema(r.Schema)
		if err != nil {
			yield(nil, err)
			return
		}
		for {
			b, err := r.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			rec, err := ipc.ToArrow(b, schema)
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}
