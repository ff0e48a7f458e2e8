package ipc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	aipc "github.com/apache/arrow-go/v18/arrow/ipc"
	amem "github.com/apache/arrow-go/v18/arrow/memory"
	flatbuffers "github.com/google/flatbuffers/go"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/millrace-engine/millrace/columnar/memory"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
)

// scanBytes scans a file of these bytes.
func scanBytes(t *testing.T, b []byte) ([]string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.arrow")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return scanAll(path)
}

// TestTruncated: a file cut anywhere is refused; a stream gives its rows or is
// refused, because it may end between messages.
func TestTruncated(t *testing.T) {
	for name, data := range tiny(t) {
		step := max(1, len(data)/150)
		for n := 0; n < len(data); n += step {
			rows, err := scanBytes(t, data[:n])
			var e *diag.Error
			if err != nil && (!errors.As(err, &e) || e.Class != diag.CorruptFile) {
				t.Fatalf("%s cut at %d: %v", name, n, err)
			}
			if err == nil && (name == "file" || len(rows) != 0 && len(rows) != 3) {
				t.Fatalf("%s cut at %d of %d gives %d rows", name, n, len(data), len(rows))
			}
		}
	}
}

// TestFlippedBytes: any byte changed gives rows or an error, and takes no more
// memory than a small file may.
func TestFlippedBytes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for name, data := range tiny(t) {
		for range 150 {
			b := bytes.Clone(data)
			for range 1 + r.IntN(3) {
				b[r.IntN(len(b))] = []byte{0, 1, 0x7f, 0x80, 0xff, byte(r.Uint32())}[r.IntN(6)]
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := scanBytes(t, b)
			runtime.ReadMemStats(&after)
			var e *diag.Error
			if err != nil && (!errors.As(err, &e) || e.Class == diag.Internal) {
				t.Fatalf("%s: %v", name, err)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 200<<20 {
				t.Fatalf("%s of %d bytes took %d MiB", name, len(b), took>>20)
			}
		}
	}
}

// doctored builds metadata by hand and returns what checks say about it.
func doctored(build func(b *flatbuffers.Builder) flatbuffers.UOffsetT) flatTable {
	b := flatbuffers.NewBuilder(0)
	b.Finish(build(b))
	return newFlat(b.FinishedBytes()).root()
}

// field builds a field of an empty Struct type with children.
func field(b *flatbuffers.Builder, children ...flatbuffers.UOffsetT) flatbuffers.UOffsetT {
	b.StartObject(0)
	kind := b.EndObject()
	b.StartVector(4, len(children), 4)
	for i := len(children) - 1; i >= 0; i-- {
		b.PrependUOffsetT(children[i])
	}
	kids := b.EndVector(len(children))
	b.StartObject(7)
	b.PrependByteSlot(2, 13, 0)
	b.PrependUOffsetTSlot(3, kind, 0)
	b.PrependUOffsetTSlot(5, kids, 0)
	return b.EndObject()
}

func schemaOf(b *flatbuffers.Builder, fields ...flatbuffers.UOffsetT) flatbuffers.UOffsetT {
	b.StartVector(4, len(fields), 4)
	for i := len(fields) - 1; i >= 0; i-- {
		b.PrependUOffsetT(fields[i])
	}
	v := b.EndVector(len(fields))
	b.StartObject(4)
	b.PrependUOffsetTSlot(1, v, 0)
	return b.EndObject()
}

// TestSchemaBounds: schemas that would unfold without end are refused, quickly.
func TestSchemaBounds(t *testing.T) {
	deep := doctored(func(b *flatbuffers.Builder) flatbuffers.UOffsetT {
		f := field(b)
		for range maxDepth {
			f = field(b, f)
		}
		return schemaOf(b, f)
	})
	if _, err := checkSchema(deep); err == nil || !strings.Contains(err.Error(), "deeper") {
		t.Errorf("deep nesting: %v", err)
	}
	bomb := doctored(func(b *flatbuffers.Builder) flatbuffers.UOffsetT {
		f := field(b)
		for range 40 { // each level refers twice to the one below: 2⁴⁰ fields
			f = field(b, f, f)
		}
		return schemaOf(b, f)
	})
	if _, err := checkSchema(bomb); err == nil || !strings.Contains(err.Error(), "again and again") {
		t.Errorf("shared fields: %v", err)
	}
	fine := doctored(func(b *flatbuffers.Builder) flatbuffers.UOffsetT {
		f := field(b)
		for range maxDepth - 1 {
			f = field(b, f)
		}
		return schemaOf(b, f)
	})
	if s, err := checkSchema(fine); err != nil || s.fields != maxDepth || len(s.columns) != 1 {
		t.Errorf("nesting as deep as allowed: %v", err)
	}
}

// TestLoops: a table that holds itself is refused.
func TestLoops(t *testing.T) {
	b := flatbuffers.NewBuilder(0)
	b.Finish(schemaOf(b, field(b, field(b))))
	buf := b.FinishedBytes()
	loops := 0
	for at := 0; at+4 <= len(buf); at += 4 { // make every offset point back as a huge one
		c := bytes.Clone(buf)
		binary.LittleEndian.PutUint32(c[at:], uint32(-at))
		if _, err := checkSchema(newFlat(c).root()); err != nil {
			loops++
		}
	}
	if loops == 0 {
		t.Error("no damage was found")
	}
}

// TestRecordBounds: each claim of a record that its body cannot hold is refused.
func TestRecordBounds(t *testing.T) {
	type buffer struct{ at, n int64 }
	type node struct{ rows, nulls int64 }
	record := func(rows int64, nodes []node, buffers []buffer, codec int8, views ...int64) flatTable {
		return doctored(func(b *flatbuffers.Builder) flatbuffers.UOffsetT {
			pairs := func(n int, at func(i int) (int64, int64)) flatbuffers.UOffsetT {
				b.StartVector(16, n, 8)
				for i := n - 1; i >= 0; i-- {
					x, y := at(i)
					b.Prep(8, 16)
					b.PrependInt64(y)
					b.PrependInt64(x)
				}
				return b.EndVector(n)
			}
			ns := pairs(len(nodes), func(i int) (int64, int64) { return nodes[i].rows, nodes[i].nulls })
			bs := pairs(len(buffers), func(i int) (int64, int64) { return buffers[i].at, buffers[i].n })
			b.StartVector(8, len(views), 8)
			for i := len(views) - 1; i >= 0; i-- {
				b.PrependInt64(views[i])
			}
			vs := b.EndVector(len(views))
			var c flatbuffers.UOffsetT
			if codec >= 0 {
				b.StartObject(2)
				b.PrependInt8Slot(0, codec, -1)
				c = b.EndObject()
			}
			b.StartObject(5)
			b.PrependInt64Slot(0, rows, 0)
			b.PrependUOffsetTSlot(1, ns, 0)
			b.PrependUOffsetTSlot(2, bs, 0)
			b.PrependUOffsetTSlot(3, c, 0)
			b.PrependUOffsetTSlot(4, vs, 0)
			return b.EndObject()
		})
	}
	longs, words, peeks := []layout{{fixed, 64}}, []layout{{lengthy, 32}}, []layout{{viewing, 128}}
	body := make([]byte, 64)
	claims := func(raw uint64) []byte { // a compressed buffer of 64 bytes
		return append(binary.LittleEndian.AppendUint64(nil, raw), make([]byte, 56)...)
	}
	head := func(head ...byte) []byte { // of a zstd frame
		b := append(claims(64)[:8:8], 0x28, 0xb5, 0x2f, 0xfd)
		return append(append(b, head...), make([]byte, 64)...)[:64]
	}
	pack := func(codec int, claim uint64, content int) []byte {
		var buf bytes.Buffer
		var w io.WriteCloser = lz4.NewWriter(&buf)
		if codec == codecZstd {
			var err error
			if w, err = zstd.NewWriter(&buf); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Write(make([]byte, content)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return append(binary.LittleEndian.AppendUint64(nil, claim), buf.Bytes()...)
	}
	packed := func(codec int8, claim uint64, content int) (flatTable, []byte) {
		b := pack(int(codec), claim, content)
		return record(8, []node{{8, 0}}, []buffer{{0, 0}, {0, int64(len(b))}}, codec), b
	}
	for _, codec := range []int8{codecLZ4, codecZstd} {
		for _, c := range []struct {
			claim   uint64
			content int
			want    string
		}{{64, 64, ""}, {56, 56, "should have 64"}, {64, 56, "unexpected EOF|holds less"}, {64, 72, "holds more|exceeds"}, {0, 64, "holds more|exceeds|should have"}} {
			meta, b := packed(codec, c.claim, c.content)
			r := newRecord(&messages{r: bytes.NewReader(b)}, meta, 1, 0, int64(len(b)))
			got, _ := r.column(0, longs[0], true)
			found := c.want == "" && r.err == nil && len(got) == 2 && len(got[1]) == 64
			for _, w := range strings.Split(c.want, "|") {
				found = found || c.want != "" && r.err != nil && strings.Contains(r.err.Error(), w)
			}
			if !found {
				t.Errorf("codec %d, %d bytes that claim to be %d: %v, want %q", codec, c.content, c.claim, r.err, c.want)
			}
		}
	}
	for _, c := range []struct {
		name    string
		record  flatTable
		columns []layout
		body    []byte
		want    string // "" is fine
	}{
		{"eight longs", record(8, []node{{8, 0}}, []buffer{{0, 0}, {0, 64}}, -1), longs, body, ""},
		{"nine longs in 64 bytes", record(9, []node{{9, 0}}, []buffer{{0, 0}, {0, 64}}, -1), longs, body, "should have 72"},
		{"negative rows", record(-1, []node{{-1, 0}}, []buffer{{0, 0}, {0, 64}}, -1), longs, body, "claims -1 rows"},
		{"2⁴⁰ rows", record(1<<40, []node{{1 << 40, 0}}, []buffer{{0, 0}, {0, 64}}, -1), longs, body, "claims 1099511627776 rows"},
		{"2⁴⁰ rows without buffers", record(1<<40, []node{{1 << 40, 0}}, nil, -1), []layout{{shape: empty}}, body, "claims 1099511627776 rows"},
		{"columns of other lengths", record(8, []node{{4, 0}}, []buffer{{0, 0}, {0, 64}}, -1), longs, body, "has 4 rows"},
		{"more nulls than rows", record(8, []node{{8, 9}}, []buffer{{0, 8}, {0, 64}}, -1), longs, body, "9 nulls"},
		{"nulls without bits", record(8, []node{{8, 2}}, []buffer{{0, 0}, {0, 64}}, -1), longs, body, "should have 1"},
		{"no node", record(8, nil, []buffer{{0, 0}, {0, 64}}, -1), longs, body, "describes 0"},
		{"no buffer", record(8, []node{{8, 0}}, []buffer{{0, 0}}, -1), longs, body, "only 1 buffers"},
		{"a buffer beyond the body", record(8, []node{{8, 0}}, []buffer{{0, 0}, {8, 64}}, -1), longs, body, "outside"},
		{"a buffer before the body", record(8, []node{{8, 0}}, []buffer{{0, 0}, {-8, 64}}, -1), longs, body, "outside"},
		{"a place that overflows", record(8, []node{{8, 0}}, []buffer{{0, 0}, {1<<63 - 8, 64}}, -1), longs, body, "outside"},
		{"offsets of too few rows", record(16, []node{{16, 0}}, []buffer{{0, 0}, {0, 64}, {0, 0}}, -1), words, body, "should have 68"},
		{"views that do not count buffers", record(4, []node{{4, 0}}, []buffer{{0, 0}, {0, 64}}, -1), peeks, body, "does not say"},
		{"views of more buffers than there are", record(4, []node{{4, 0}}, []buffer{{0, 0}, {0, 64}}, -1, 1<<40), peeks, body, "claims 1099511627776 buffers"},
		{"views", record(4, []node{{4, 0}}, []buffer{{0, 0}, {0, 64}, {0, 8}}, -1, 1), peeks, body, ""},
		{"an unknown codec", record(8, []node{{8, 0}}, []buffer{{0, 0}, {0, 64}}, 7), longs, claims(64), "codec 7"},
		{"lz4 that expands too much", record(8, []node{{8, 0}}, []buffer{{0, 0}, {0, 64}}, codecLZ4), longs, claims(1 << 20), "claim to be"},
		{"lz4 of negative length", record(8, []node{{8, 0}}, []buffer{{0, 0}, {0, 64}}, codecLZ4), longs, claims(1 << 63), "claim to be"},
		{"a compressed buffer without length", record(8, []node{{8, 0}}, []buffer{{0, 0}, {0, 7}}, codecLZ4), longs, claims(64), "has 7 bytes"},
		{"stored as it is", record(7, []node{{7, 0}}, []buffer{{0, 0}, {0, 64}}, codecLZ4), longs, claims(1<<64 - 1), ""},
		{"stored as it is, too short", record(8, []node{{8, 0}}, []buffer{{0, 0}, {0, 64}}, codecLZ4), longs, claims(1<<64 - 1), "should have 64"},
		{"zstd that looks back far", record(8, []node{{8, 0}}, []buffer{{0, 0}, {0, 64}}, codecZstd), longs, head(0, 0xff), "window"},
		{"zstd of larger content", record(8, []node{{8, 0}}, []buffer{{0, 0}, {0, 64}}, codecZstd), longs, head(0x20, 65), "exceeds"},
		{"zstd of huge content", record(8, []node{{8, 0}}, []buffer{{0, 0}, {0, 64}}, codecZstd), longs, head(0xe0, 0xff, 0xff, 0xff, 0xff, 0xff), "exceeds"},
		{"a nested column", record(8, []node{{8, 0}}, nil, -1), []layout{{}}, body, "nested"},
	} {
		r := newRecord(&messages{r: bytes.NewReader(c.body)}, c.record, len(c.columns), 0, int64(len(c.body)))
		for i := 0; i < len(c.columns) && r.err == nil; i++ {
			r.column(i, c.columns[i], true)
		}
		err := r.err
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// write returns a file or stream of records of one column.
func write(t *testing.T, file bool, dt arrow.DataType, records ...arrow.Array) []byte {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{{Name: "x", Type: dt, Nullable: true}}, nil)
	var buf bytes.Buffer
	var w interface {
		Write(arrow.RecordBatch) error
		Close() error
	}
	var err error
	if w = aipc.NewWriter(&buf, aipc.WithSchema(schema), aipc.WithDictionaryDeltas(true)); file {
		w, err = aipc.NewFileWriter(&buf, aipc.WithSchema(schema), aipc.WithDictionaryDeltas(true))
	}
	for _, a := range records {
		if err == nil {
			err = w.Write(array.NewRecordBatch(schema, []arrow.Array{a}, int64(a.Len())))
		}
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestDictionaries: records whose dictionaries grow or change read as written.
func TestDictionaries(t *testing.T) {
	dt := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int16, ValueType: arrow.BinaryTypes.String}
	word := func(words ...string) arrow.Array {
		b := array.NewDictionaryBuilder(amem.NewGoAllocator(), dt).(*array.BinaryDictionaryBuilder)
		for _, w := range words {
			if err := b.AppendString(w); err != nil {
				t.Fatal(err)
			}
		}
		b.AppendNull()
		return b.NewDictionaryArray()
	}
	rows, err := scanBytes(t, write(t, false, dt, word("a", "b"), word("a", "b", "c", "a")))
	if got := strings.Join(rows, ""); err != nil || got != "|a|b|null|a|b|c|a|null" {
		t.Errorf("grown: %q, %v", got, err)
	}
	rows, err = scanBytes(t, write(t, true, dt, word("a", "b"), word("a", "b", "a")))
	if got := strings.Join(rows, ""); err != nil || got != "|a|b|null|a|b|a|null" {
		t.Errorf("file: %q, %v", got, err)
	}
	rows, err = scanBytes(t, write(t, false, dt, word("a", "b"), word("x", "y", "z")))
	if got := strings.Join(rows, ""); err != nil || got != "|a|b|null|x|y|z|null" {
		t.Errorf("replaced: %q, %v", got, err)
	}
}

// TestFooter: blocks of a footer that lie outside or overlap are refused.
func TestFooter(t *testing.T) {
	footer := func(blocks ...block) []byte {
		b := flatbuffers.NewBuilder(0)
		b.StartVector(24, len(blocks), 8)
		for i := len(blocks) - 1; i >= 0; i-- {
			b.Prep(8, 24)
			b.PrependInt64(blocks[i].body)
			b.Pad(4)
			b.PrependInt32(int32(blocks[i].meta))
			b.PrependInt64(blocks[i].at)
		}
		v := b.EndVector(len(blocks))
		b.StartObject(5)
		b.PrependUOffsetTSlot(3, v, 0)
		b.Finish(b.EndObject())
		return b.FinishedBytes()
	}
	if _, got, err := checkFooter(footer(block{8, 64, 32}, block{104, 64, 0}), 200); err != nil || len(got) != 2 || got[0] != (block{8, 64, 32}) {
		t.Errorf("blocks are %v, %v", got, err)
	}
	for _, b := range [][]block{{{0, 64, 0}}, {{8, 192, 8}}, {{8, 64, 1 << 62}}, {{1 << 62, 64, 0}}, {{8, -8, 0}}, {{8, 64, -8}}, {{8, 100, 0}, {8, 100, 0}}} {
		if _, _, err := checkFooter(footer(b...), 200); err == nil {
			t.Errorf("blocks %v are accepted", b)
		}
	}
}

// TestLongText: batches end where their text gets long, and every row arrives.
func TestLongText(t *testing.T) {
	b := array.NewStringBuilder(amem.NewGoAllocator())
	const rows, size = 20, 5 << 20
	for i := range rows {
		b.Append(fmt.Sprintf("%02d", i) + strings.Repeat("x", size))
	}
	path := filepath.Join(t.TempDir(), "x.arrow")
	if err := os.WriteFile(path, write(t, true, arrow.BinaryTypes.String, b.NewArray()), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, c := context.Background(), New()
	table, err := c.Open(ctx, catalog.TableRef{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	broker := memory.NewBroker(1 << 30)
	budget := broker.Reserve("scan", 0)
	req := connector.ScanRequest{Columns: []int{0}, Project: []int{0}, Memory: budget}
	splits, err := c.Splits(ctx, table.Descriptor(), req)
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Scan(ctx, table.Descriptor(), splits[0].Data, req)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Cols[0].Bytes) > longest {
			t.Fatalf("a batch of %d bytes", len(b.Cols[0].Bytes))
		}
		for i := range b.Rows {
			if got := string(b.Cols[0].BytesAt(i)[:2]); got != fmt.Sprintf("%02d", seen) {
				t.Fatalf("row %d is %s", seen, got)
			}
			seen++
		}
		if budget.Held() < rows*size {
			t.Fatalf("%d bytes are reserved for a record of %d", budget.Held(), rows*size)
		}
	}
	if err := r.Close(); err != nil || seen != rows || budget.Held() != 0 {
		t.Errorf("%d rows, %d bytes held, %v", seen, budget.Held(), err)
	}
	small := memory.NewBroker(16<<20).Reserve("scan", 0)
	req.Memory = small
	if r, err = c.Scan(ctx, table.Descriptor(), splits[0].Data, req); err != nil {
		t.Fatal(err)
	}
	var e *diag.Error
	if _, err = r.Next(ctx); !errors.As(err, &e) || e.Class != diag.MemoryLimit {
		t.Errorf("a record beyond the budget: %v", err)
	}
	if err := r.Close(); err != nil || small.Held() != 0 {
		t.Errorf("%d bytes held, %v", small.Held(), err)
	}
}

// longest is the bytes of text that a batch of TestLongText may have.
const longest = 64 << 20
