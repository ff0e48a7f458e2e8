package records

import (
	"encoding/binary"

	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/connector/lines"
	"github.com/millrace-engine/millrace/internal/diag"
)

// splitBytes is the size of a split of a large file.
const splitBytes = 16 << 20

// leastBuffers is what a reader takes for text and cells where memory is short.
const leastBuffers = 512 << 10

// Range is a part of a file.
type Range struct {
	Path      string
	From, End int64
}

// Ranges cuts a file where it may be cut: not at all if whole.
func Ranges(f fs.File, whole bool) (out []Range) {
	step := int64(splitBytes)
	if whole || lines.Compressed(f.Path) {
		step = max(f.Size, 1)
	}
	for at := int64(0); at < f.Size; at += step {
		out = append(out, Range{f.Path, at, min(at+step, f.Size)})
	}
	return out
}

// Splits makes a split of each range of the files.
func Splits(files []fs.File, whole bool, req connector.ScanRequest) []connector.Split {
	var out []connector.Split
	for i, f := range files {
		if req.Skip != nil && req.Skip(f.Path) {
			continue
		}
		for _, r := range Ranges(f, whole) {
			b := binary.AppendUvarint(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(i)), uint64(r.From)), uint64(r.End))
			out = append(out, connector.Split{Data: b, Path: f.Path, Rows: -1, Bytes: r.End - r.From, Memory: min(r.End-r.From, leastBuffers)})
		}
	}
	return out
}

// Decode returns the range that a split stands for.
func Decode(files []fs.File, split []byte) (Range, error) {
	var parts [3]uint64
	for i := range parts {
		v, n := binary.Uvarint(split)
		if n <= 0 {
			return Range{}, diag.New(diag.Internal, "a split of text records is damaged")
		}
		parts[i], split = v, split[n:]
	}
	if parts[0] >= uint64(len(files)) {
		return Range{}, diag.New(diag.Internal, "a split of text records is damaged")
	}
	return Range{files[parts[0]].Path, int64(parts[1]), int64(parts[2])}, nil
}
