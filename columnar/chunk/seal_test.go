package chunk

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/cespare/xxhash/v2"

	"github.com/millrace-engine/millrace/columnar"
)

// seal returns a copy with magic, version and checksums made right, where there
// is room for a header of the fuzzing schema.
func seal(data []byte) []byte {
	b := append([]byte{}, data...)
	if len(b) < fixedHeader+trailer {
		return b
	}
	copy(b, magic)
	b[4] = Version
	binary.LittleEndian.PutUint32(b[9:], uint32(fuzzSchema.Len()))
	size := fixedHeader
	for _, f := range fuzzSchema.Fields {
		if len(b) < size+columnBytes {
			return b
		}
		size += columnBytes + bufferBytes*count(f.Type, columnar.Encoding(b[size]), b[size+2])
	}
	if len(b) >= size+trailer {
		binary.LittleEndian.PutUint32(b[size:], crc32.Checksum(b[:size], castagnoli))
		binary.LittleEndian.PutUint64(b[size+4:], xxhash.Sum64(b[size+trailer:]))
	}
	return b
}
