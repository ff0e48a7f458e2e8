package exec

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/millrace-engine/millrace/internal/diag"
)

// maxFailureBytes bounds an encoded failure: messages are cut.
const maxFailureBytes = 64 << 10

// EncodeFailure encodes a failure field by field. A cause that is a *diag.Error
// stays one, with its class, place and remedy; any other crosses as its text.
//
//	1 kind  2 exchange  3 map  4 more (packed)  5 epoch
//	6 diag {1 class 2 message 3 remedy 4 pos 5 path}  7 text of another cause
func EncodeFailure(f *Failure) []byte {
	var b []byte
	number := func(field protowire.Number, v int64) {
		b = protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), protowire.EncodeZigZag(v))
	}
	number(1, int64(f.Kind))
	number(2, int64(f.Exchange))
	number(3, int64(f.Map))
	var more []byte
	for _, m := range f.More {
		more = protowire.AppendVarint(more, protowire.EncodeZigZag(int64(m)))
	}
	b = protowire.AppendBytes(protowire.AppendTag(b, 4, protowire.BytesType), more)
	number(5, int64(f.Epoch))
	var d *diag.Error
	switch {
	case errors.As(f.Cause, &d):
		var sub []byte
		for i, s := range []string{string(d.Class), d.Message, d.Remedy, "", d.Path} {
			if i != 3 {
				sub = protowire.AppendString(protowire.AppendTag(sub, protowire.Number(i+1), protowire.BytesType), cut(s))
			}
		}
		sub = protowire.AppendVarint(protowire.AppendTag(sub, 4, protowire.VarintType), protowire.EncodeZigZag(int64(d.Pos)))
		b = protowire.AppendBytes(protowire.AppendTag(b, 6, protowire.BytesType), sub)
	case f.Cause != nil:
		b = protowire.AppendString(protowire.AppendTag(b, 7, protowire.BytesType), cut(f.Cause.Error()))
	}
	return b
}

func cut(s string) string {
	if len(s) > 8<<10 {
		return s[:8<<10] + " …"
	}
	return s
}

var errFailure = errors.New("exec: malformed failure")

// DecodeFailure decodes what EncodeFailure made.
func DecodeFailure(b []byte) (*Failure, error) {
	if len(b) > maxFailureBytes {
		return nil, fmt.Errorf("%w: %d bytes", errFailure, len(b))
	}
	f := &Failure{}
	err := eachField(b, func(n protowire.Number, v int64, data []byte) error {
		switch n {
		case 1:
			f.Kind = FailureKind(v)
		case 2:
			f.Exchange = int(v)
		case 3:
			f.Map = int(v)
		case 4:
			for len(data) > 0 {
				m, k := protowire.ConsumeVarint(data)
				if k < 0 {
					return errFailure
				}
				f.More, data = append(f.More, int(protowire.DecodeZigZag(m))), data[k:]
			}
		case 5:
			f.Epoch = uint64(v)
		case 6:
			d := &diag.Error{}
			f.Cause = d
			return eachField(data, func(n protowire.Number, v int64, data []byte) error {
				switch n {
				case 1:
					d.Class = diag.Class(data)
				case 2:
					d.Message = string(data)
				case 3:
					d.Remedy = string(data)
				case 4:
					d.Pos = diag.Pos(v)
				case 5:
					d.Path = string(data)
				}
				return nil
			})
		case 7:
			f.Cause = errors.New(string(data))
		}
		return nil
	})
	if err == nil && (f.Kind < FetchFailed || f.Kind > Bug) {
		err = fmt.Errorf("%w: kind %d", errFailure, f.Kind)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

func eachField(b []byte, f func(protowire.Number, int64, []byte) error) error {
	for len(b) > 0 {
		n, typ, k := protowire.ConsumeTag(b)
		if k < 0 {
			return errFailure
		}
		b = b[k:]
		var v uint64
		var data []byte
		switch typ {
		case protowire.VarintType:
			v, k = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			data, k = protowire.ConsumeBytes(b)
		default:
			return errFailure
		}
		if k < 0 {
			return errFailure
		}
		b = b[k:]
		if err := f(n, protowire.DecodeZigZag(v), data); err != nil {
			return err
		}
	}
	return nil
}
