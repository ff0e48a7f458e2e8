package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"github.com/millrace-engine/millrace/shuffle"
)

// Version of the form; readers refuse others.
const Version = 1

const (
	magic       = "MRS\x01"
	footerMagic = "MRS\x01end\n"
	headerBytes = 64
	entryBytes  = 24 // of the directory
	indexBytes  = 32
	footerBytes = 80
	maxSchema   = 16 << 20
)

var (
	// ErrAbsent says that no whole file is there: it is cut, or none of this form.
	ErrAbsent = errors.New("no whole .mrs file")
	// ErrCorrupt says that a file does not fit its checksums or contradicts itself.
	ErrCorrupt = errors.New("damaged .mrs file")
)

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Info says whose output a file is.
type Info struct {
	Job, Exchange, Map, Attempt int
	Partitions                  int
}

// Name returns the file's path below the directory of its application: one folder
// per exchange, one name per attempt.
func (i Info) Name() string {
	return path.Join(fmt.Sprintf("job-%d-exchange-%d", i.Job, i.Exchange), strconv.Itoa(i.Map)+"-"+strconv.Itoa(i.Attempt)+".mrs")
}

// header encodes the header.
func (i Info) header(schema []byte) []byte {
	b := append(make([]byte, 0, headerBytes), magic...)
	b = binary.LittleEndian.AppendUint32(b, Version)
	b = binary.LittleEndian.AppendUint64(b, uint64(i.Job))
	for _, v := range []int{i.Exchange, i.Map, i.Attempt, i.Partitions, len(schema), 0} {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	b = binary.LittleEndian.AppendUint64(b, xxhash.Sum64(schema))
	b = append(b, make([]byte, headerBytes-4-len(b))...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decodeHeader takes a header apart and returns the length and hash of the schema.
func decodeHeader(b []byte) (i Info, schema int, hash uint64, err error) {
	switch v := binary.LittleEndian.Uint32(b[4:]); {
	case string(b[:4]) != magic:
		return i, 0, 0, corrupt("it does not begin as one")
	case v != Version:
		return i, 0, 0, corrupt("version %d; this program reads %d", v, Version)
	case crc32.Checksum(b[:headerBytes-4], castagnoli) != binary.LittleEndian.Uint32(b[headerBytes-4:]):
		return i, 0, 0, corrupt("the header's checksum differs")
	}
	at := 16
	number := func() int {
		at += 4
		return int(binary.LittleEndian.Uint32(b[at-4:]))
	}
	i = Info{Job: int(binary.LittleEndian.Uint64(b[8:])), Exchange: number(), Map: number(), Attempt: number(), Partitions: number()}
	schema = number()
	if i.Job < 0 || i.Partitions > shuffle.MaxPartitions || schema > maxSchema {
		return i, 0, 0, corrupt("%d partitions, a schema of %d bytes", i.Partitions, schema)
	}
	return i, schema, binary.LittleEndian.Uint64(b[40:]), nil
}

// entry is a chunk in the directory.
type entry struct {
	offset int64
	stored int
	rows   int
	hash   uint64
}

func (e entry) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(e.offset))
	b = binary.LittleEndian.AppendUint32(b, uint32(e.stored))
	b = binary.LittleEndian.AppendUint32(b, uint32(e.rows))
	return binary.LittleEndian.AppendUint64(b, e.hash)
}

func decodeEntry(b []byte) entry {
	return entry{int64(binary.LittleEndian.Uint64(b)), int(binary.LittleEndian.Uint32(b[8:])), int(binary.LittleEndian.Uint32(b[12:])), binary.LittleEndian.Uint64(b[16:])}
}

// filled is a partition that has rows, in the index.
type filled struct {
	partition int
	chunks    int
	shuffle.Part
}

func (x filled) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(x.partition))
	b = binary.LittleEndian.AppendUint32(b, uint32(x.chunks))
	b = binary.LittleEndian.AppendUint64(b, uint64(x.Rows))
	b = binary.LittleEndian.AppendUint64(b, uint64(x.Bytes))
	return binary.LittleEndian.AppendUint64(b, x.Hash)
}

func decodeFilled(b []byte) filled {
	return filled{int(binary.LittleEndian.Uint32(b)), int(binary.LittleEndian.Uint32(b[4:])),
		shuffle.Part{Sum: shuffle.Sum{Rows: int64(binary.LittleEndian.Uint64(b[8:])), Hash: binary.LittleEndian.Uint64(b[24:])}, Bytes: int64(binary.LittleEndian.Uint64(b[16:]))}}
}

// footer is what is read first.
type footer struct {
	chunks, filled int
	directory      int64 // where it begins
	total          shuffle.Sum
	meta           uint64 // xxh64 of header, schema, directory and index
}

func (f footer) append(b []byte) []byte {
	from := len(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(f.chunks))
	b = binary.LittleEndian.AppendUint32(b, uint32(f.filled))
	for _, v := range []uint64{uint64(f.directory), uint64(f.total.Rows), f.total.Hash, f.meta, 0, 0, 0} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = binary.LittleEndian.AppendUint64(b, xxhash.Sum64(b[from:]))
	return append(b, footerMagic...)
}

// decodeFooter takes the footer of a file of size bytes apart: what it says of
// lengths adds up to them.
func decodeFooter(b []byte, size int64) (footer, error) {
	end := footerBytes - len(footerMagic)
	if string(b[end:]) != footerMagic {
		return footer{}, ErrAbsent
	}
	if xxhash.Sum64(b[:end-8]) != binary.LittleEndian.Uint64(b[end-8:]) {
		return footer{}, corrupt("the footer's checksum differs")
	}
	number := func(at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
	f := footer{int(binary.LittleEndian.Uint32(b)), int(binary.LittleEndian.Uint32(b[4:])), int64(number(8)), shuffle.Sum{Rows: int64(number(16)), Hash: number(24)}, number(32)}
	meta := int64(f.chunks)*entryBytes + int64(f.filled)*indexBytes
	if f.directory < headerBytes || f.directory > size || size-f.directory != meta+footerBytes {
		return footer{}, corrupt("%d chunks and %d partitions from %d on in %d bytes", f.chunks, f.filled, f.directory, size)
	}
	return f, nil
}
