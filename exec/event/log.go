package event

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
)

// Log writes events as JSON lines: one object a line, in the order of their
// publication. It is used by one goroutine; see Record.
type Log struct {
	w *bufio.Writer
	e *json.Encoder
}

// NewLog returns a log that writes to w.
func NewLog(w io.Writer) *Log {
	b := bufio.NewWriter(w)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	return &Log{b, e}
}

// Write appends an event.
func (l *Log) Write(e Event) error { return l.e.Encode(e) }

// Flush hands everything written on.
func (l *Log) Flush() error { return l.w.Flush() }

// Record writes what a subscription yields until its channel is closed. It
// flushes whenever no event waits.
func (l *Log) Record(events <-chan Event) error {
	for e := range events {
		if err := l.Write(e); err != nil {
			return err
		}
		if len(events) == 0 {
			if err := l.Flush(); err != nil {
				return err
			}
		}
	}
	return l.Flush()
}

// Read decodes a log. A last line that is cut short (the process died) ends it.
func Read(r io.Reader, each func(Event) error) error {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF { // an unfinished line says nothing
			return nil
		}
		if err != nil {
			return err
		}
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		if err := each(e); err != nil {
			return err
		}
	}
}

// maxLine bounds what Last looks at: the events that end a log are short.
const maxLine = 1 << 20

// Last returns the last whole event of a log.
func Last(r io.ReadSeeker) (Event, error) {
	var e Event
	end, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return e, err
	}
	if _, err := r.Seek(max(end-maxLine, 0), io.SeekStart); err != nil {
		return e, err
	}
	b, err := io.ReadAll(io.LimitReader(r, maxLine))
	if err != nil {
		return e, err
	}
	b = b[:bytes.LastIndexByte(b, '\n')+1]
	line := bytes.TrimSuffix(b, []byte("\n"))
	return e, json.Unmarshal(line[bytes.LastIndexByte(line, '\n')+1:], &e)
}
