package encode

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Codec is a compression as the format numbers it.
type Codec int32

// The codecs that are written.
const (
	None   Codec = 0
	Snappy Codec = 1
	Gzip   Codec = 2
	Zstd   Codec = 6
	LZ4    Codec = 7
)

// Codecs names the codecs as options do; "" is the default.
var Codecs = map[string]Codec{"": Snappy, "snappy": Snappy, "zstd": Zstd, "lz4": LZ4, "lz4_raw": LZ4, "gzip": Gzip, "none": None, "uncompressed": None}

var zstdWriters = sync.Pool{New: func() any {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	return e
}}

// compress appends the compressed src to dst.
func compress(codec Codec, dst, src []byte) ([]byte, error) {
	at := len(dst)
	switch codec {
	case None:
		return append(dst, src...), nil
	case Snappy:
		dst = grown(dst, snappy.MaxEncodedLen(len(src)))
		return dst[:at+len(snappy.Encode(dst[at:cap(dst)], src))], nil
	case Zstd:
		switch e := zstdWriters.Get().(type) {
		case *zstd.Encoder:
			dst = e.EncodeAll(src, dst)
			zstdWriters.Put(e)
			return dst, nil
		case error:
			return nil, e
		}
	case LZ4:
		dst = grown(dst, lz4.CompressBlockBound(len(src)))
		n, err := lz4.CompressBlock(src, dst[at:cap(dst)], nil)
		if err == nil && n == 0 && len(src) > 0 {
			err = errors.New("a page cannot be compressed")
		}
		return dst[:at+n], err
	case Gzip:
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, err := w.Write(src)
		if err = errors.Join(err, w.Close()); err != nil {
			return nil, err
		}
		return append(dst, b.Bytes()...), nil
	}
	return nil, fmt.Errorf("the compression codec %d cannot be written", codec)
}

// grown returns b with room for n more bytes.
func grown(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	out := make([]byte, len(b), max(2*cap(b), len(b)+n))
	copy(out, b)
	return out
}
