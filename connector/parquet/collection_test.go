package parquet_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/connector"
	"github.com/millrace-engine/millrace/connector/parquet"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/catalog"
)

// collection is where the Parquet test files of the format's maintainers lie, when
// they do: beside the repository.
const collection = "../../../shared/conformance/parquet"

// refused lists the files that must not read: checksums do not agree, or lengths.
var refused = map[string]diag.Class{
	"datapage_v1-corrupt-checksum.parquet":           diag.CorruptFile,
	"rle-dict-uncompressed-corrupt-checksum.parquet": diag.CorruptFile,
	"nation.dict-malformed.parquet":                  diag.CorruptFile, // its dictionary page has a wrong size
}

// scan reads all splits and calls f with each batch.
func scan(c connector.Connector, t connector.Table, req connector.ScanRequest, f func(*columnar.Batch)) error {
	ctx := context.Background()
	splits, err := c.Splits(ctx, t.Descriptor(), req)
	if err != nil {
		return err
	}
	for _, s := range splits {
		r, err := c.Scan(ctx, t.Descriptor(), s.Data, req)
		if err != nil {
			return err
		}
		for {
			b, err := r.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				r.Close()
				return err
			}
			f(b)
		}
		if err := r.Close(); err != nil {
			return err
		}
	}
	return nil
}

func identity(columns []int) connector.ScanRequest {
	r := connector.ScanRequest{Columns: columns}
	for i := range columns {
		r.Project = append(r.Project, i)
	}
	return r
}

// TestCollection reads every file of the collection: files with known values
// must give them, all others their row count or a typed error.
func TestCollection(t *testing.T) {
	paths, _ := filepath.Glob(collection + "/*.parquet")
	more, _ := filepath.Glob(collection + "/*/*.parquet")
	paths = append(paths, more...)
	if len(paths) == 0 {
		t.Skip("the collection is not here")
	}
	counts := expectedRows(t)
	for _, p := range paths {
		name, _ := filepath.Rel(collection, p)
		t.Run(name, func(t *testing.T) {
			c := parquet.New()
			var got [][]string
			tab, err := c.Open(context.Background(), catalog.TableRef{Path: p})
			var columns []int
			if err == nil {
				for i := range tab.Schema().Fields {
					columns = append(columns, i)
				}
				err = scan(c, tab, identity(columns), func(b *columnar.Batch) {
					for i := range b.Rows {
						var row []string
						for k := range b.Cols {
							row = append(row, render(&b.Cols[k], i))
						}
						got = append(got, row)
					}
				})
			}
			if class, ok := refused[name]; ok {
				if diag.ClassOf(err) != class {
					t.Fatalf("got %v, want class %s", err, class)
				}
				return
			}
			if err != nil {
				if diag.ClassOf(err) == "" || !strings.Contains(err.Error(), ".parquet") {
					t.Fatalf("untyped error: %v", err)
				}
				if want, ok := counts[name]; ok && want >= 0 {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if want, ok := counts[name]; ok && want >= 0 && len(got) != want {
				t.Errorf("%d rows, want %d", len(got), want)
			}
			expected := expectedValues(t, name)
			if expected == nil {
				return
			}
			wrong := 0
			for i, e := range expected {
				for k, c := range columns {
					f := tab.Schema().Fields[c]
					if want := expect(e[f.Name]); !equal(got[i][k], want) && !(f.Type.IsNested() && sameJSON(t, got[i][k], want)) {
						if wrong++; wrong < 4 {
							t.Errorf("row %d, column %s %s: %q, want %q", i, f.Name, f.Type, got[i][k], want)
						}
					}
				}
			}
		})
	}
}

// bareNumber are the numbers that JSON has no words for.
var bareNumber = regexp.MustCompile(`:(NaN|-?Infinity)`)

func expectedRows(t *testing.T) map[string]int {
	b, err := os.ReadFile(collection + "-expected/README.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, l := range strings.Split(string(b), "\n") {
		p := strings.Split(l, "|")
		if len(p) < 4 || !strings.Contains(p[1], ".parquet") {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(p[2]))
		if err != nil {
			n = -1
		}
		out[strings.TrimSpace(p[1])] = n
	}
	return out
}

func expectedValues(t *testing.T, name string) []map[string]json.RawMessage {
	f, err := os.Open(filepath.Join(collection+"-expected", name+".jsonl"))
	if err != nil {
		return nil
	}
	defer f.Close()
	var out []map[string]json.RawMessage
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<24)
	for sc.Scan() {
		var m map[string]json.RawMessage
		line := bareNumber.ReplaceAll(sc.Bytes(), []byte(`:"$1"`))
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

// expect turns an expected value into the text that render makes.
func expect(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil && len(raw) > 0 && raw[0] == '"' {
		return s
	}
	return string(raw)
}

func equal(got, want string) bool {
	if got == want {
		return true
	}
	if strings.HasSuffix(want, "(BC)") || strings.Contains(want, "(BC) ") { // years before 1 are written in another way
		return strings.HasPrefix(got, "-")
	}
	a, err1 := strconv.ParseFloat(got, 64)
	b, err2 := strconv.ParseFloat(want, 64)
	return err1 == nil && err2 == nil && (a == b || math.IsNaN(a) && math.IsNaN(b) || float32(a) == float32(b))
}

// sameJSON compares nested values.
func sameJSON(t *testing.T, got, want string) bool {
	t.Helper()
	var values [2]any
	for i, s := range []string{got, want} {
		d := json.NewDecoder(strings.NewReader(s))
		d.UseNumber()
		if err := d.Decode(&values[i]); err != nil {
			t.Errorf("%s: %v", s, err)
			return false
		}
	}
	return alike(values[0], values[1])
}

func alike(a, b any) bool {
	switch x := a.(type) {
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, alike)
	case map[string]any:
		y, ok := b.(map[string]any)
		return ok && maps.EqualFunc(x, y, alike)
	case nil:
		return b == nil
	}
	return equal(fmt.Sprint(a), fmt.Sprint(b))
}

// renderNested writes a nested value as JSON, maps as objects.
func renderNested(v *columnar.Vector, row int) string {
	var parts []string
	add := func(s string) { parts = append(parts, s) }
	leaf := func(v *columnar.Vector, i int) string {
		s := render(v, i)
		if v.Type.IsNested() || v.NullAt(i) || v.Type.IsNumeric() || v.Type.Kind == columnar.Bool {
			return s
		}
		b, _ := json.Marshal(s)
		return string(b)
	}
	fields := v.Type.Nested.Fields
	switch v.Type.Kind {
	case columnar.Struct:
		for i, f := range fields {
			name, _ := json.Marshal(f.Name)
			add(string(name) + ":" + leaf(&v.Kids[i], row))
		}
		return "{" + strings.Join(parts, ",") + "}"
	case columnar.Map:
		for i := v.Offsets()[row]; i < v.Offsets()[row+1]; i++ {
			key, _ := json.Marshal(render(&v.Kids[0].Kids[0], int(i)))
			add(string(key) + ":" + leaf(&v.Kids[0].Kids[1], int(i)))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	for i := v.Offsets()[row]; i < v.Offsets()[row+1]; i++ {
		add(leaf(&v.Kids[0], int(i)))
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func render(v *columnar.Vector, row int) string {
	if v.NullAt(row) {
		return "null"
	}
	if v.Type.IsNested() {
		return renderNested(v, row)
	}
	if v.Type.Kind != columnar.Binary {
		return string(text.AppendValue(nil, v, row, time.UTC))
	}
	var b strings.Builder
	for _, x := range v.BytesAt(row) { // as DuckDB prints a BLOB
		if x < 0x20 || x > 0x7e || x == '\\' || x == '\'' || x == '"' {
			fmt.Fprintf(&b, `\x%02X`, x)
		} else {
			b.WriteByte(x)
		}
	}
	return b.String()
}
