// Package snappy decodes Snappy blocks.
//
// Columns of numbers compress into literals and copies of a few bytes that
// alternate without a pattern, so that a decoder that branches on the kind of
// each element mispredicts many of them. The loop in assembly looks an element's
// length up in a table, chooses the source of the copy without a branch and moves
// 16 bytes whatever the length, as google/snappy's DecompressBranchless does
// (snappy.cc, 1.1.9). Rare forms, and the ends of the buffers, are decoded one by
// one in Go.
//
//	element   tag byte, low two bits the kind, then 0 – 4 more bytes
//	  00      literal of tag>>2 + 1 bytes; from 60 on, the length follows
//	  01      copy of 4 – 11 bytes, distance in 11 bits
//	  10, 11  copy of 1 – 64 bytes, distance in 2 or 4 bytes
//
// It imports the standard library alone. It is fuzzed against a naive decoder.
package snappy

import (
	"encoding/binary"
	"errors"
)

// ErrCorrupt is returned for input that is not a Snappy block.
var ErrCorrupt = errors.New("snappy: corrupt input")

// Slack is the capacity behind the decoded length with which a destination is
// decoded fastest to its end.
const Slack = 96

// DecodedLen returns the length that a block says it has.
func DecodedLen(src []byte) (int, error) {
	n, _, err := header(src)
	return n, err
}

func header(src []byte) (n, at int, err error) {
	v, k := binary.Uvarint(src)
	if k <= 0 || v > 1<<32-1 {
		return 0, 0, ErrCorrupt
	}
	return int(v), k, nil
}

// Decode decodes a block to the front of dst, which must have its decoded
// length, and returns that part. Bytes behind it, up to the capacity of dst, may
// be overwritten. Any damage is ErrCorrupt.
func Decode(dst, src []byte) ([]byte, error) {
	n, s, err := header(src)
	if err != nil || n > len(dst) {
		return nil, ErrCorrupt
	}
	dst = dst[:n]
	for d := 0; ; {
		if d, s = fast(dst, src, d, s); d > n {
			return nil, ErrCorrupt
		}
		if s == len(src) {
			if d != n {
				return nil, ErrCorrupt
			}
			return dst, nil
		}
		var ok bool
		if d, s, ok = one(dst, src, d, s); !ok {
			return nil, ErrCorrupt
		}
	}
}
