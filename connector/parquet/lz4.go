package parquet

import (
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// maxPage bounds one page's bytes, compressed or not.
const maxPage = 256 << 20

// checkLZ4 decompresses every page of an LZ4_RAW chunk into a buffer of its
// declared size. The library sizes its buffer by trial and never gives up on a
// damaged block, so none may reach it.
func checkLZ4(r io.ReaderAt, size int64, m *format.ColumnMetaData) error {
	if m.Codec != format.Lz4Raw {
		return nil
	}
	from := m.DataPageOffset
	if m.DictionaryPageOffset > 0 {
		from = min(from, m.DictionaryPageOffset)
	}
	if from < 0 || m.TotalCompressedSize < 0 || m.TotalCompressedSize > size-from {
		return errors.New("a column chunk lies outside of the file")
	}
	in := io.NewSectionReader(r, from, m.TotalCompressedSize)
	var src, dst []byte
	for at := int64(0); at < m.TotalCompressedSize; {
		if _, err := in.Seek(at, io.SeekStart); err != nil {
			return err
		}
		counted := &counter{r: in}
		var h format.PageHeader
		if err := thrift.NewDecoder(new(thrift.CompactProtocol).NewReader(counted)).Decode(&h); err != nil {
			return fmt.Errorf("a page header is damaged: %w", err)
		}
		n, full := int(h.CompressedPageSize), int(h.UncompressedPageSize)
		if n < 0 || full < 0 || n > maxPage || full > maxPage || int64(n) > m.TotalCompressedSize-at {
			return fmt.Errorf("a page claims %d bytes, %d uncompressed", n, full)
		}
		if cap(src) < n {
			src = make([]byte, n)
		}
		src = src[:n]
		if _, err := in.ReadAt(src, at+counted.n); err != nil {
			return fmt.Errorf("a page is cut off: %w", err)
		}
		at += counted.n + int64(n)
		levels := 0
		if h.DataPageHeaderV2.Valid {
			v := h.DataPageHeaderV2.V
			levels = int(v.DefinitionLevelsByteLength) + int(v.RepetitionLevelsByteLength)
			if v.IsCompressed.Valid && !v.IsCompressed.V {
				continue
			}
			if levels < 0 || levels > n || levels > full {
				return errors.New("the levels of a page are longer than the page")
			}
		}
		if n == levels {
			continue // nothing but levels
		}
		if cap(dst) < full-levels {
			dst = make([]byte, full-levels)
		}
		k, err := lz4.UncompressBlock(src[levels:], dst[:full-levels])
		if err != nil || k != full-levels {
			return errors.New("an LZ4 page is damaged")
		}
	}
	return nil
}

// counter counts the bytes read one by one, so that the end of a header is known.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

func (c *counter) ReadByte() (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(c, b[:])
	return b[0], err
}
