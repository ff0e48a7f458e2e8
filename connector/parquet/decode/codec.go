package decode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"

	"github.com/millrace-engine/millrace/connector/parquet/snappy"
)

var errCompressed = errors.New("a compressed page is damaged")

var zstdReaders = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return err
	}
	return d
}}

var gzipReaders = sync.Pool{New: func() any { return new(gzip.Reader) }}

// expansion bounds how much longer than its compressed form a page may be: what
// the codec can do at most.
func expansion(c format.CompressionCodec, stored int) int {
	switch c {
	case format.Snappy:
		return 64*stored + 64
	case format.Lz4Raw, format.Lz4:
		return 256*stored + 64
	case format.Gzip:
		return 1100*stored + 64
	}
	return maxPage
}

// decompress fills dst, which has the length that the page claims. What lies behind
// it, up to its capacity, may be overwritten.
func decompress(c format.CompressionCodec, dst, src []byte) error {
	if len(dst) == 0 {
		return nil // some writers compress nothing to nothing
	}
	n := -1
	switch c {
	case format.Uncompressed:
		n = copy(dst, src)
	case format.Snappy:
		out, err := snappy.Decode(dst, src)
		if err != nil {
			return errCompressed
		}
		n = len(out)
	case format.Zstd:
		switch d := zstdReaders.Get().(type) {
		case *zstd.Decoder:
			out, err := d.DecodeAll(src, dst[:0:len(dst)])
			zstdReaders.Put(d)
			if err != nil {
				return errCompressed
			}
			n = len(out)
		case error:
			return d
		}
	case format.Lz4Raw:
		k, err := lz4.UncompressBlock(src, dst)
		if err != nil {
			return errCompressed
		}
		n = k
	case format.Lz4:
		return legacyLZ4(dst, src)
	case format.Gzip:
		r := gzipReaders.Get().(*gzip.Reader)
		defer gzipReaders.Put(r)
		if err := r.Reset(bytes.NewReader(src)); err != nil {
			return errCompressed
		}
		return exactly(dst, r)
	case format.Brotli:
		return exactly(dst, brotli.NewReader(bytes.NewReader(src)))
	default:
		return fmt.Errorf("the compression %v is not supported", c)
	}
	if n != len(dst) {
		return errCompressed
	}
	return nil
}

// exactly reads what a stream holds into dst; it must not hold more.
func exactly(dst []byte, r io.Reader) error {
	if _, err := io.ReadFull(r, dst); err != nil {
		return errCompressed
	}
	var more [1]byte
	if n, _ := r.Read(more[:]); n > 0 {
		return errCompressed
	}
	return nil
}

// legacyLZ4 reads the codec that was never specified: blocks as Hadoop frames
// them (the big-endian lengths before and after compression, then the block), or
// one bare block.
func legacyLZ4(dst, src []byte) error {
	if framedLZ4(dst, src) {
		return nil
	}
	if n, err := lz4.UncompressBlock(src, dst); err != nil || n != len(dst) {
		return errCompressed
	}
	return nil
}

func framedLZ4(dst, src []byte) bool {
	for len(dst) > 0 {
		if len(src) < 8 {
			return false
		}
		raw, stored := binary.BigEndian.Uint32(src), binary.BigEndian.Uint32(src[4:])
		src = src[8:]
		if int64(stored) > int64(len(src)) || int64(raw) > int64(len(dst)) {
			return false
		}
		n, err := lz4.UncompressBlock(src[:stored], dst[:raw])
		if err != nil || n != int(raw) {
			return false
		}
		src, dst = src[stored:], dst[raw:]
	}
	return len(src) == 0
}
