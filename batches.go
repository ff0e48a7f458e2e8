package millrace

import (
	"context"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace-engine/millrace/columnar/ipc"
)

// Batches computes the frame and yields its rows as Arrow record batches, in
// order. A record shares memory with the result where the layout agrees; it
// stays valid as long as it is referred to, and needs no Release.
func (d *DataFrame) Batches(ctx context.Context) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		r, err := d.Run(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		schema, err := ipc.ToArrowSchema(r.Schema)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, b := range r.run.Batches {
			rec, err := ipc.ToArrow(b, schema)
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}
