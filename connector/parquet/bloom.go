package parquet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/cespare/xxhash/v2"
	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/expr"
)

// maxBloomHeader bounds the header of a bloom filter.
const maxBloomHeader = 256

// absent reports whether a bloom filter says that a value that a filter asks for
// does not occur in the row group.
func (r *reader) absent() (bool, error) {
	for _, e := range r.req.Filters {
		i, wanted := wants(e)
		if wanted == nil {
			continue
		}
		some := false
		for _, v := range wanted {
			may, err := r.mayHold(i, v)
			if err != nil {
				return false, err
			}
			some = some || may
		}
		if !some {
			return true, nil
		}
	}
	return false, nil
}

// wants returns the column and the values, one of which it must have, of an
// equality or IN with literals; nil for other filters.
func wants(e expr.Expr) (int, []any) {
	call, ok := e.(*expr.Call)
	if !ok || len(call.Args) < 2 || call.Fn.Name != "=" && call.Fn.Name != "in" {
		return 0, nil
	}
	args := call.Args
	if _, ok := args[0].(*expr.Literal); ok && call.Fn.Name == "=" {
		args = []expr.Expr{args[1], args[0]}
	}
	c, ok := args[0].(*expr.Column)
	if !ok {
		return 0, nil
	}
	var values []any
	for _, a := range args[1:] {
		l, ok := a.(*expr.Literal)
		if !ok || !l.Typ.Equal(c.Typ) {
			return 0, nil
		}
		if l.Value != nil { // nothing equals null
			values = append(values, l.Value)
		}
	}
	return c.Index, values
}

// mayHold asks the bloom filter of a column for a value.
func (r *reader) mayHold(i int, value any) (bool, error) {
	leaf := r.columns[i].leaf
	if leaf.nest != nil {
		return true, nil
	}
	b, ok := plain(value, r.columns[i].field.Type, leaf)
	meta := r.file.chunk(r.group, leaf)
	at := meta.BloomFilterOffset
	if !ok || at <= 0 {
		return true, nil
	}
	bad := func(err error) error {
		return corrupt(r.file.path, fmt.Errorf("the bloom filter of column %s is damaged: %w", r.columns[i].field.Name, err))
	}
	if at >= r.file.size {
		return true, bad(errors.New("it lies outside of the file"))
	}
	head := make([]byte, min(maxBloomHeader, r.file.size-at))
	if _, err := r.file.os.ReadAt(head, at); err != nil {
		return true, bad(err)
	}
	var h format.BloomFilterHeader
	in := new(thrift.CompactProtocol).NewReaderFromBytes(head)
	if err := thrift.NewDecoder(in).Decode(&h); err != nil {
		return true, bad(err)
	}
	_, split := h.Algorithm.Value.(*format.SplitBlockAlgorithm)
	_, hash := h.Hash.Value.(*format.XxHash)
	_, flat := h.Compression.Value.(*format.BloomFilterUncompressed)
	if !split || !hash || !flat {
		return true, nil // of a kind to come
	}
	from, n := at+int64(in.BytesRead()), int64(h.NumBytes)
	if n < bloom.BlockSize || n%bloom.BlockSize != 0 || n > r.file.size-from {
		return true, bad(fmt.Errorf("it has %d bytes", n))
	}
	may, err := bloom.CheckSplitBlock(counted{io.NewSectionReader(r.file.os, from, n), &r.stats.BytesRead}, n, xxhash.Sum64(b))
	if err != nil {
		return true, bad(err)
	}
	return may, nil
}

// counted counts what is read.
type counted struct {
	io.ReaderAt
	n *int64
}

func (c counted) ReadAt(b []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(b, off)
	*c.n += int64(n)
	return n, err
}

// plain encodes a literal's value as the column stores it; false: more than one
// stored value may equal it, or none is known to.
func plain(value any, t columnar.Type, l leaf) ([]byte, bool) {
	if l.scale != 0 || l.half {
		return nil, false
	}
	switch x := value.(type) {
	case string:
		return []byte(x), l.physical == format.ByteArray || l.physical == format.FixedLenByteArray && len(x) == l.length
	case float64: // −0 and NaN have several forms
		switch {
		case x == 0 || x != x:
		case l.physical == format.Float:
			return binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(x))), true
		case l.physical == format.Double:
			return binary.LittleEndian.AppendUint64(nil, math.Float64bits(x)), true
		}
	case int64:
		return integer(x, l)
	case columnar.Int128:
		if x.FitsInt64() {
			return integer(int64(x.Lo), l)
		}
		if l.unsigned && l.physical == format.Int64 && x.Hi == 0 {
			return binary.LittleEndian.AppendUint64(nil, x.Lo), true
		}
	}
	return nil, false
}

func integer(x int64, l leaf) ([]byte, bool) {
	switch l.physical {
	case format.Int32:
		return binary.LittleEndian.AppendUint32(nil, uint32(x)), int64(int32(x)) == x || l.unsigned && x == int64(uint32(x))
	case format.Int64:
		return binary.LittleEndian.AppendUint64(nil, uint64(x)), true
	case format.FixedLenByteArray:
		b := binary.BigEndian.AppendUint64(nil, uint64(x))
		if l.length <= 8 {
			return b[8-l.length:], l.length == 8 || x>>(8*l.length-1) == 0 || x>>(8*l.length-1) == -1
		}
		sign := bytes.Repeat([]byte{byte(x >> 63)}, l.length-8)
		return append(sign, b...), true
	}
	return nil, false
}
