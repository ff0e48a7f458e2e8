package parquet

import (
	"errors"
	"fmt"
	"sort"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace-engine/millrace/cache/front"
	"github.com/millrace-engine/millrace/plan/catalog"
)

// pageIndex is where the pages of a column chunk lie and what they hold. The
// zero value knows nothing.
type pageIndex struct {
	rows    []int64                    // first row of each page, and the end of the last
	offsets []int64                    // in the file
	bounds  []catalog.ColumnStatistics // of each page; nil: not known
	nulls   []bool                     // pages without a value; nil: not known
}

// pages returns how many pages there are.
func (x *pageIndex) pages() int { return len(x.offsets) }

// at returns the page that holds a row.
func (x *pageIndex) at(row int64) int {
	return sort.Search(len(x.offsets), func(i int) bool { return x.rows[i] > row }) - 1
}

// within counts the pages that lie wholly in a range of rows.
func (x *pageIndex) within(from, to int64) (n int64) {
	for i := range x.offsets {
		if x.rows[i] >= from && x.rows[i+1] <= to {
			n++
		}
	}
	return n
}

// decode reads a structure of the metadata that lies in the file.
func (f *file) decode(offset int64, length int32, into any) error {
	if offset < 0 || length < 0 || int64(length) > f.size-offset {
		return errors.New("an index lies outside of the file")
	}
	b := make([]byte, length)
	if _, err := f.os.ReadAt(b, offset); err != nil {
		return err
	}
	return thrift.NewDecoder(new(thrift.CompactProtocol).NewReaderFromBytes(b)).Decode(into)
}

// places reads where the pages of a column chunk lie. Without an index in the
// file there is none.
func (f *file) places(g int, l leaf) (x pageIndex, err error) {
	c := &f.meta.RowGroups[g].Columns[l.chunk]
	if c.OffsetIndexOffset <= 0 || c.OffsetIndexLength <= 0 {
		return x, nil
	}
	key := f.indexKey("places", c.OffsetIndexOffset)
	if x, ok := front.Get[pageIndex](f.front, front.PageIndex, key); ok {
		f.looks.add(true)
		return x, nil
	}
	f.looks.add(false)
	var in format.OffsetIndex
	if err := f.decode(c.OffsetIndexOffset, c.OffsetIndexLength, &in); err != nil {
		return x, corrupt(f.path, fmt.Errorf("a page index is damaged: %w", err))
	}
	rows := f.meta.RowGroups[g].NumRows
	from, to := c.MetaData.DataPageOffset, f.size
	for i, p := range in.PageLocations {
		if p.Offset < from || p.Offset >= to || p.FirstRowIndex < 0 || p.FirstRowIndex >= rows && rows > 0 || i == 0 && p.FirstRowIndex != 0 || i > 0 && p.FirstRowIndex < x.rows[i-1] {
			return pageIndex{}, corrupt(f.path, errors.New("a page index does not fit the pages"))
		}
		from = p.Offset + 1
		x.rows, x.offsets = append(x.rows, p.FirstRowIndex), append(x.offsets, p.Offset)
	}
	x.rows = append(x.rows, rows)
	f.front.Put(front.PageIndex, key, x, int64(128+len(key)+16*len(x.rows)))
	return x, nil
}

// indexKey names an index of this version of the file.
func (f *file) indexKey(what string, offset int64) string {
	if f.front == nil {
		return ""
	}
	return fmt.Sprintf("%s|%s|%d", f.key, what, offset)
}

// held is what the pages of a column chunk hold.
type held struct {
	bounds []catalog.ColumnStatistics
	nulls  []bool
}

// describe adds what the pages hold.
func (f *file) describe(x *pageIndex, g, column int) error {
	l := f.leaves[column]
	c := &f.meta.RowGroups[g].Columns[l.chunk]
	if x.pages() == 0 || c.ColumnIndexOffset <= 0 || c.ColumnIndexLength <= 0 || x.bounds != nil {
		return nil
	}
	key := f.indexKey("bounds", c.ColumnIndexOffset)
	if h, ok := front.Get[held](f.front, front.PageIndex, key); ok && len(h.bounds) == x.pages() {
		f.looks.add(true)
		x.bounds, x.nulls = h.bounds, h.nulls
		return nil
	}
	f.looks.add(false)
	var in format.ColumnIndex
	if err := f.decode(c.ColumnIndexOffset, c.ColumnIndexLength, &in); err != nil {
		return corrupt(f.path, fmt.Errorf("a page index is damaged: %w", err))
	}
	n := x.pages()
	if len(in.NullPages) != n || len(in.MinValues) != n || len(in.MaxValues) != n {
		return corrupt(f.path, errors.New("a page index does not fit the pages"))
	}
	x.bounds, x.nulls = make([]catalog.ColumnStatistics, n), in.NullPages
	for i := range x.bounds {
		if !in.NullPages[i] {
			x.bounds[i] = between(in.MinValues[i], in.MaxValues[i], f.cols[column].Type, l)
		}
		x.bounds[i].Distinct, x.bounds[i].NullCount = -1, -1
		if len(in.NullCounts) == n {
			x.bounds[i].NullCount = float64(in.NullCounts[i])
		}
	}
	size := int64(128 + len(key))
	for i := range x.bounds {
		size += int64(160 + 2*len(in.MinValues[i]) + 2*len(in.MaxValues[i]))
	}
	f.front.Put(front.PageIndex, key, held{x.bounds, x.nulls}, size)
	return nil
}
