package csv

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector/lines"
	"github.com/millrace-engine/millrace/connector/records"
)

// texts reads the records that begin in a range as columns of strings.
func texts(t *testing.T, path string, from, end int64, o *options, width, limit int) (out [][]string) {
	t.Helper()
	src, err := newSource(records.Range{Path: path, From: from, End: end}, newScanner(o, width, -1), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	for {
		err := src.Next(limit)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		rows := make([][]string, src.sheet.Rows)
		for k := range width {
			v := src.Vector(k, columnar.StringType, nil, nil)
			for i := range rows {
				if v.NullAt(i) {
					rows[i] = append(rows[i], "∅")
				} else {
					rows[i] = append(rows[i], string(v.BytesAt(i)))
				}
			}
		}
		out = append(out, rows...)
	}
}

// slow cuts a file as the scanner does, a byte at a time.
func slow(text []byte, o *options, width int) (out [][]string) {
	for len(text) > 0 {
		line, after := text, len(text)
		if e := lines.End(text, o.Stop); e >= 0 {
			line, after = text[:e], lines.Behind(text, e)
		}
		if len(line) == 0 || !o.MultiLine && len(bytes.TrimLeft(line, blanks)) == 0 {
			text = text[after:]
			continue
		}
		var row []string
		for {
			var value []byte
			n := 0
			if len(text) > 0 && text[0] == o.Quote && o.Quote != 0 {
				rest := text
				if e := lines.End(text, o.Stop); !o.MultiLine && e >= 0 {
					rest = text[:e]
				}
				value, n, _ = o.unquote(nil, rest, o.MultiLine)
			} else {
				for n < len(text) && !o.sepAt(text, n) && !o.stops(text[n]) {
					n++
				}
				value = text[:n]
			}
			if len(row) < width {
				if row = append(row, string(value)); len(value) == 0 {
					row[len(row)-1] = "∅"
				}
			}
			if n < len(text) && o.sepAt(text, n) {
				text = text[n+len(o.Sep):]
				continue
			}
			for len(row) < width {
				row = append(row, "∅")
			}
			out = append(out, row)
			if n < len(text) {
				n = lines.Behind(text, n)
			}
			text = text[n:]
			break
		}
	}
	return out
}

// TestRandom compares the scanner with a reader byte by byte, over random files of
// several blocks, in random batches, whole and cut into ranges.
func TestRandom(t *testing.T) {
	seed := time.Now().UnixNano()
	rnd := rand.New(rand.NewSource(seed))
	t.Logf("seed %d", seed)
	path := filepath.Join(t.TempDir(), "x.csv")
	large := rnd.Intn(7)
	for i, given := range []map[string]string{
		nil, {"multiLine": "true"}, {"escape": `"`}, {"sep": "||"}, {"lineSep": ";", "sep": "\t"}, {"quote": ""}, {"sep": "§", "multiLine": "true"},
	} {
		o, err := parseOptions(given, "")
		if err != nil {
			t.Fatal(err)
		}
		pieces := []string{"a", "bc", "12.5", "", o.Sep, o.Sep, o.Sep, o.Sep, "\n", "\n", "\r\n", "\r", " ", `"`, `"x"`, `"y` + o.Sep + `z"`, `"\""`, `""`, `\`, "é", ";", "|", "\t"}
		long := bytes.Repeat([]byte("long"), 20_000)
		var text []byte
		size := 200_000
		if i == large {
			size = 4_000_000
		}
		for len(text) < size {
			if text = append(text, pieces[rnd.Intn(len(pieces))]...); rnd.Intn(200_000) == 0 {
				text = append(text, long...)
			}
			if o.MultiLine && rnd.Intn(30) == 0 { // or one field would take all
				text = append(text, "\"\n"...)
			}
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		width := 1 + rnd.Intn(5)
		want := slow(text, &o, width)
		cuts := []int64{0, int64(len(text))}
		if !o.MultiLine {
			cuts = []int64{0, int64(rnd.Intn(len(text))), int64(len(text))}
			if cuts[1] == 0 {
				cuts = cuts[1:]
			}
		}
		var got [][]string
		for i := range len(cuts) - 1 {
			got = append(got, texts(t, path, cuts[i], cuts[i+1], &o, width, 1+rnd.Intn(columnar.MaxRows))...)
		}
		for i := range min(len(got), len(want)) {
			for k := range width {
				if got[i][k] != want[i][k] {
					t.Fatalf("options %v, record %d of %d: %.80q, want %.80q", given, i, len(want), got[i], want[i])
				}
			}
		}
		if len(got) != len(want) {
			t.Fatalf("options %v: %d records, want %d", given, len(got), len(want))
		}
	}
}
