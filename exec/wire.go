package exec

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/millrace-engine/millrace/internal/diag"
)

// Bounds of an encoded failure: longer texts are cut, more outputs left out
// (they are found gone again).
const (
	failureVersion  = 1
	maxFailureText  = 8 << 10
	maxFailureMore  = 4 << 10
	maxFailureBytes = 128 << 10
)

// What follows the numbers of an encoded failure.
const (
	causeNone = iota
	causeText
	causeDiag
)

// EncodeFailure encodes a failure field by field. A cause that is a *diag.Error
// stays one, with its class, place and remedy; any other crosses as its text.
//
//	version kind exchange map epoch n more… cause     varints
//	text | class message remedy path pos              length-prefixed strings, varint
func EncodeFailure(f *Failure) []byte {
	b := []byte{failureVersion}
	for _, v := range []int64{int64(f.Kind), int64(f.Exchange), int64(f.Map), int64(f.Epoch)} {
		b = binary.AppendVarint(b, v)
	}
	more := f.More[:min(len(f.More), maxFailureMore)]
	b = binary.AppendVarint(b, int64(len(more)))
	for _, m := range more {
		b = binary.AppendVarint(b, int64(m))
	}
	var d *diag.Error
	switch {
	case errors.As(f.Cause, &d):
		b = binary.AppendVarint(b, causeDiag)
		for _, s := range []string{string(d.Class), d.Message, d.Remedy, d.Path, d.Call} {
			b = appendText(b, s)
		}
		return binary.AppendVarint(b, int64(d.Pos))
	case f.Cause != nil:
		return appendText(binary.AppendVarint(b, causeText), f.Cause.Error())
	}
	return binary.AppendVarint(b, causeNone)
}

func appendText(b []byte, s string) []byte {
	if len(s) > maxFailureText {
		s = s[:maxFailureText] + " …"
	}
	return append(binary.AppendVarint(b, int64(len(s))), s...)
}

var errFailure = errors.New("exec: malformed failure")

// DecodeFailure decodes what EncodeFailure made. It allocates no more than a
// small multiple of its input.
func DecodeFailure(b []byte) (*Failure, error) {
	if len(b) == 0 || len(b) > maxFailureBytes || b[0] != failureVersion {
		return nil, fmt.Errorf("%w: %d bytes", errFailure, len(b))
	}
	d := &failureDecoder{b: b[1:]}
	f := &Failure{Kind: FailureKind(d.number()), Exchange: int(d.number()), Map: int(d.number()), Epoch: uint64(d.number())}
	for n := d.number(); n > 0 && !d.bad; n-- {
		f.More = append(f.More, int(d.number()))
	}
	switch d.number() {
	case causeNone:
	case causeText:
		f.Cause = errors.New(d.text())
	case causeDiag:
		f.Cause = &diag.Error{Class: diag.Class(d.text()), Message: d.text(), Remedy: d.text(), Path: d.text(), Call: d.text(), Pos: diag.Pos(d.number())}
	default:
		d.bad = true
	}
	if d.bad || len(d.b) > 0 || f.Kind < FetchFailed || f.Kind > Bug {
		return nil, errFailure
	}
	return f, nil
}

// failureDecoder reads until something is wrong; then everything is zero.
type failureDecoder struct {
	b   []byte
	bad bool
}

func (d *failureDecoder) number() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 || d.bad {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *failureDecoder) text() string {
	n := d.number()
	if n < 0 || n > int64(len(d.b)) || d.bad {
		d.bad = true
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}
