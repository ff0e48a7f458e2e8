package millrace

import (
	"errors"
	"io"

	"github.com/millrace-engine/millrace/connector/files"
)

// Encode writes the rows to w while the query runs: arrow as an IPC stream,
// parquet as a file. What was written when it fails lacks its end, so that
// readers refuse it.
func (r *Result) Encode(w io.Writer, format string) error {
	defer r.Close()
	e, err := files.NewEncoder(format, w, r.Schema)
	if err != nil {
		return err
	}
	for {
		b, err := r.next()
		if errors.Is(err, io.EOF) {
			_, err = e.Close()
			return err
		}
		if err == nil {
			err = e.Write(b)
		}
		if err != nil {
			return err
		}
	}
}
