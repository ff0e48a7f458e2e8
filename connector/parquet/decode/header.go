package decode

// Kinds of pages.
const (
	pageData       = 0
	pageIndex      = 1
	pageDictionary = 2
	pageDataV2     = 3
)

// header is what a page's header says, as far as it matters.
type header struct {
	kind        int
	raw, stored int // bytes of the body, before and after compression
	crc         uint32
	checked     bool // crc is there
	values      int  // nulls included
	encoding    int
	levels      int // encoding of the definition levels, V1
	repLevels   int // encoding of the repetition levels, V1
	defBytes    int // bytes of definition levels, V2
	repBytes    int
	compressed  bool
	have        bool // the header of the kind was there
}

// parseHeader reads a header and returns its length; errShort asks for more
// bytes.
func parseHeader(b []byte) (h header, n int, err error) {
	r := thrift{b: b}
	h.kind, h.levels, h.repLevels, h.compressed = -1, encRLE, encRLE, true
	r.fields(0, func(id int, typ byte) bool {
		switch {
		case id <= 4 && typ == thriftI32:
			switch x := r.i32(); id {
			case 1:
				h.kind = x
			case 2:
				h.raw = x
			case 3:
				h.stored = x
			case 4:
				h.crc, h.checked = uint32(x), true
			}
		case id == 5 && typ == thriftStruct:
			h.have = true
			r.numbers(nil, &h.values, &h.encoding, &h.levels, &h.repLevels)
		case id == 7 && typ == thriftStruct:
			h.have = true
			r.numbers(nil, &h.values, &h.encoding)
		case id == 8 && typ == thriftStruct:
			h.have = true
			r.numbers(&h.compressed, &h.values, nil, nil, &h.encoding, &h.defBytes, &h.repBytes, nil)
		default:
			return false
		}
		return true
	})
	if r.err == nil && (h.raw < 0 || h.stored < 0 || h.values < 0 || h.defBytes < 0 || h.repBytes < 0 || h.kind < 0 || h.kind != pageIndex && !h.have) {
		r.err = errDamaged
	}
	return h, r.at, r.err
}

// numbers reads a struct whose fields from the first on are 32-bit numbers, those
// without a place passed over; the last may be a truth value instead.
func (r *thrift) numbers(truth *bool, into ...*int) {
	r.fields(1, func(id int, typ byte) bool {
		switch {
		case id < 1 || id > len(into):
			return false
		case truth != nil && id == len(into) && (typ == thriftTrue || typ == thriftFalse):
			*truth = typ == thriftTrue
			return true
		case into[id-1] == nil || typ != thriftI32:
			return false
		}
		*into[id-1] = r.i32()
		return true
	})
}
