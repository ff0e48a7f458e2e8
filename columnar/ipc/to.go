package ipc

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	amem "github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/kernel"
)

// ToArrow returns a stable batch as a record that shares its buffers where the
// layout agrees. The record is valid as long as the batch.
func ToArrow(b *columnar.Batch, schema *arrow.Schema) (arrow.RecordBatch, error) {
	b = kernel.Compact(b, nil)
	cols := make([]arrow.Array, len(b.Cols))
	for i := range b.Cols {
		v := kernel.Flatten(&b.Cols[i], nil)
		f := schema.Field(i).Type
		if v.Type.Kind == columnar.Null {
			cols[i] = array.NewNull(b.Rows)
			continue
		}
		if v.Type.Kind == columnar.Decimal && v.Width == 8 {
			wide := make([]columnar.Int128, v.Len)
			for k, x := range columnar.Values[int64](&v) {
				wide[k] = columnar.Int128Of(x)
			}
			v.Data = columnar.BytesOf(wide)
		}
		nulls := 0
		var valid *amem.Buffer
		if v.Valid != nil {
			nulls = v.Len - v.Valid.Count(v.Len)
			valid = amem.NewBufferBytes(v.Valid)
		}
		buffers := []*amem.Buffer{valid, amem.NewBufferBytes(v.Data)}
		if v.Type.IsBytes() {
			buffers = append(buffers, amem.NewBufferBytes(v.Bytes))
		}
		cols[i] = array.MakeFromData(array.NewData(f, v.Len, buffers, nil, nulls, 0))
	}
	return array.NewRecordBatch(schema, cols, int64(b.Rows)), nil
}
