package chunk

import (
	"encoding/binary"
	"hash/crc32"
	"slices"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/memory"
)

// A sheet tells where in a region the columns of a batch lie, for a process that
// maps the region: nothing is encoded or copied but the values of dictionaries.
//
//	magic "MRSH" · version · rows u32 · columns u32
//	per column: encoding, width, flags, reserved
//	  per buffer: offset u64, length u32           in the region
//	  of a dictionary: a chunk of its values       length u32, then Append's
//	CRC32C of all that
//
// The buffers are validity, data or codes, and bytes. Their content has no checksum:
// it is the same memory that its own process reads, and no medium or wire lies
// between. What guards rows against memory that goes wrong are the sums of row hashes
// that readers compare for rows of either process (package shuffle).
const sheetMagic = "MRSH"

// Sheet returns the sheet of a dense batch all of whose buffers lie in a region, nil
// if they do not, or a dictionary is not small beside the batch: then the batch is
// better encoded. Columns are not nested.
func Sheet(b *columnar.Batch, r *memory.Region) []byte {
	out := append(make([]byte, 0, 32+40*len(b.Cols)), sheetMagic...)
	out = append(out, Version)
	out = binary.LittleEndian.AppendUint32(out, uint32(b.Rows))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(b.Cols)))
	for i := range b.Cols {
		v := &b.Cols[i]
		if v.Enc == columnar.Const || v.Type.IsNested() || v.Enc == columnar.Dict && (v.Dict.Values.Len > columnar.MaxRows || 10*v.Dict.Values.MemoryBytes() > b.DataBytes()) {
			return nil
		}
		flags := byte(0)
		if v.Valid != nil {
			flags = hasValid
		}
		out = append(out, byte(v.Enc), v.Width, flags, 0)
		for _, x := range held(v) {
			at, ok := r.Offset(x)
			if !ok {
				return nil
			}
			out = binary.LittleEndian.AppendUint64(out, uint64(at))
			out = binary.LittleEndian.AppendUint32(out, uint32(len(x)))
		}
		if v.Enc == columnar.Dict {
			values, err := dictionary(v.Dict)
			if err != nil {
				return nil
			}
			out = binary.LittleEndian.AppendUint32(out, uint32(len(values)))
			out = append(out, values...)
		}
	}
	return signed(out)
}

// signed appends the checksum of a sheet.
func signed(sheet []byte) []byte {
	return binary.LittleEndian.AppendUint32(sheet, crc32.Checksum(sheet, castagnoli))
}

// held lists the buffers of a column as they lie in memory.
func held(v *columnar.Vector) (out [][]byte) {
	if v.Type.Kind == columnar.Null {
		return nil
	}
	if v.Valid != nil {
		out = append(out, v.Valid)
	}
	out = append(out, v.Data)
	if v.Enc == columnar.Flat && v.Type.IsBytes() {
		out = append(out, v.Bytes)
	}
	return out
}

// dictionary encodes a dictionary with a column of as many rows, so that it stays
// one.
func dictionary(d *columnar.Dictionary) ([]byte, error) {
	n := d.Values.Len
	v := columnar.Vector{Type: d.Values.Type, Enc: columnar.Dict, Dict: d, Len: n, Data: make([]byte, 4*n)}
	return Append(nil, &columnar.Batch{Rows: n, Cols: []columnar.Vector{v}}, Raw)
}

// Unfold returns the batch that a sheet tells of, as it lies in the region: it is
// valid as long as that is held, and not stable. Errors wrap ErrCorrupt.
func Unfold(sheet []byte, r *memory.Region, schema *columnar.Schema) (*columnar.Batch, error) {
	const head, tail = 13, 4
	if len(sheet) < head+tail || string(sheet[:4]) != sheetMagic || sheet[4] != Version {
		return nil, corrupt("no sheet begins here")
	}
	body := sheet[:len(sheet)-4]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(sheet[len(body):]) {
		return nil, corrupt("the sheet's checksum differs")
	}
	n, cols := binary.LittleEndian.Uint32(sheet[5:]), binary.LittleEndian.Uint32(sheet[9:])
	if n == 0 || n > columnar.MaxRows || int64(cols) != int64(schema.Len()) {
		return nil, corrupt("%d rows of %d columns, expected at most %d of %d", n, cols, columnar.MaxRows, schema.Len())
	}
	u := &unfolding{b: body[head:], region: r}
	out := &columnar.Batch{Schema: schema, Rows: int(n), Cols: make([]columnar.Vector, schema.Len())}
	for i, f := range schema.Fields {
		u.column(&out.Cols[i], f.Type, int(n))
	}
	if u.bad || len(u.b) > 0 {
		return nil, corrupt("the sheet does not fit its region")
	}
	for i := range out.Cols {
		if v := &out.Cols[i]; !sound(v) {
			return nil, corrupt("a column of %s points outside of it", v.Type)
		}
	}
	return out, nil
}

// unfolding reads a sheet until something is wrong.
type unfolding struct {
	b      []byte
	region *memory.Region
	bad    bool
}

func (u *unfolding) next(n int) []byte {
	if u.bad || n < 0 || len(u.b) < n {
		u.bad = true
		return make([]byte, 16)
	}
	out := u.b[:n]
	u.b = u.b[n:]
	return out
}

// buffer returns a part of the region that is aligned for its values, of want bytes;
// −1 stands for any number.
func (u *unfolding) buffer(want int) []byte {
	e := u.next(12)
	at, n := binary.LittleEndian.Uint64(e), int(binary.LittleEndian.Uint32(e[8:]))
	all := u.region.Bytes()
	if u.bad || want >= 0 && n != want || at%64 != 0 || at > uint64(len(all)) || n > len(all)-int(at) {
		u.bad = true
		return nil
	}
	return all[at : int(at)+n : int(at)+n]
}

func (u *unfolding) column(v *columnar.Vector, t columnar.Type, n int) {
	e := u.next(columnBytes)
	enc, width, flags := columnar.Encoding(e[0]), e[1], e[2]
	*v = columnar.Vector{Type: t, Enc: enc, Width: width, Len: n}
	if e[3] != 0 || flags > hasValid || t.IsNested() || enc != columnar.Flat && (enc != columnar.Dict || !t.IsBytes() || width != 0) {
		u.bad = true
	}
	if natural := t.FixedWidth(); int(width) != natural && (t.Kind != columnar.Decimal || width != 8 && width != 16) {
		u.bad = true
	}
	if t.Kind == columnar.Null || u.bad {
		u.bad = u.bad || flags != 0
		return
	}
	if flags != 0 {
		v.Valid = u.buffer(columnar.BitmapBytes(n))
	}
	switch {
	case enc == columnar.Dict:
		v.Data = u.buffer(4 * n)
		values := u.next(int(binary.LittleEndian.Uint32(u.next(4))))
		if u.bad {
			return
		}
		b, err := Decode(values, columnar.NewSchema(columnar.Field{Type: t, Nullable: true}))
		if err != nil || b.Cols[0].Enc != columnar.Dict {
			u.bad = true
			return
		}
		v.Dict = b.Cols[0].Dict
	case t.IsBytes():
		v.Data = u.buffer(4 * (n + 1))
		v.Bytes = u.buffer(-1)
	case t.Kind == columnar.Bool:
		v.Data = u.buffer(columnar.BitmapBytes(n))
	default:
		v.Data = u.buffer(int(width) * n)
	}
}

// sound reports whether offsets and codes stay within their values.
func sound(v *columnar.Vector) bool {
	switch {
	case v.Enc == columnar.Dict:
		return v.Len == 0 || int(slices.Max(v.Codes())) < v.Dict.Values.Len
	case v.Type.IsBytes():
		last, err := ascending(v.Offsets())
		return err == nil && last <= len(v.Bytes)
	}
	return true
}
