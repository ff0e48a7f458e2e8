package records

import (
	"compress/gzip"
	"context"
	"io"

	"github.com/millrace-engine/millrace/connector"
)

// flushBytes is how much text is gathered before it is written.
const flushBytes = 1 << 18

// Out gathers the text of a file that is written, compressed or not. Encoders
// append to Buf and call Spill after each record.
type Out struct {
	Buf   []byte
	Count int64 // records
	w     io.Writer
	zip   *gzip.Writer
	bytes int64 // that reached w
}

// NewOut returns an Out that writes to w.
func NewOut(w io.Writer, zip bool) *Out {
	o := &Out{w: w}
	if zip {
		o.zip = gzip.NewWriter((*counted)(o))
	}
	return o
}

// counted is an Out as the writer below its compressor.
type counted Out

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.bytes += int64(n)
	return n, err
}

// Spill writes the text if there is much of it.
func (o *Out) Spill() error {
	if len(o.Buf) < flushBytes {
		return nil
	}
	return o.Flush()
}

// Flush writes the text.
func (o *Out) Flush() (err error) {
	if o.zip != nil {
		_, err = o.zip.Write(o.Buf)
	} else {
		_, err = (*counted)(o).Write(o.Buf)
	}
	o.Buf = o.Buf[:0]
	return err
}

// Buffered implements connector.Encoder: what is gathered is little.
func (o *Out) Buffered() int64 { return 0 }

// Rows implements connector.Encoder.
func (o *Out) Rows() int64 { return o.Count }

// Close implements connector.Encoder.
func (o *Out) Close() (int64, error) {
	err := o.Flush()
	if o.zip != nil && err == nil {
		err = o.zip.Close()
	}
	return o.bytes, err
}

// NewWriter begins a task's file with an ending, as ".csv".
func NewWriter(_ context.Context, spec connector.WriteSpec, task, attempt int, ending string, zip bool, begin func(*Out) (connector.Encoder, error)) (connector.Writer, error) {
	if zip {
		ending += ".gz"
	}
	return connector.NewFileWriter(spec.Dir, spec.FileName(task, attempt, ending), func(w io.Writer) (connector.Encoder, error) {
		return begin(NewOut(w, zip))
	}, func() {})
}
