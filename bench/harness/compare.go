package harness

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// What a comparison found, besides a sentence that says where results differ.
const (
	Same  = "same"
	Near  = "same within tolerance"
	Alone = "not compared"
)

// Rule says in words when two results are the same.
const Rule = "Whole numbers, strings, dates and decimals of one scale must be equal. Decimals of two scales may differ by less " +
	"than one unit of the coarser one, because engines round or cut. Where one engine has a double, values may differ by 1e-9 " +
	"of the larger one, and by one unit of the last place of the other's decimal. Rows are compared as a set, because ties are " +
	"open, and in order where the order is total. Results above 100,000 rows are compared in 1,001 rows at fixed places and in their number."

const tolerance = 1e-9

// class is how the values of a column compare.
type class struct {
	kind  classKind
	scale int // decimals of exact numbers
}

type classKind uint8

const (
	textual classKind = iota // equal byte for byte; dates, times and booleans too
	exact
	double
)

func classOf(t string) class {
	switch t {
	case "tinyint", "smallint", "int", "integer", "bigint":
		return class{exact, 0}
	case "float", "double":
		return class{kind: double}
	}
	var precision, scale int
	if n, _ := fmt.Sscanf(t, "decimal(%d,%d)", &precision, &scale); n == 2 {
		return class{exact, scale}
	}
	return class{kind: textual}
}

// normal is a value as it goes into the hash and the order of rows.
func (c class) normal(v *string) string {
	if v == nil {
		return "\x00"
	}
	s := *v
	switch c.kind {
	case exact:
		if strings.Contains(s, ".") {
			s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
		}
		if s == "-0" || s == "" || s == "-" {
			return "0"
		}
	case double:
		if x, err := strconv.ParseFloat(s, 64); err == nil {
			return strconv.FormatFloat(x, 'g', 9, 64)
		}
	default: // some engines have dates with a time of zero
		s = "'" + strings.TrimSuffix(s, " 00:00:00") // a text of digits is no number
	}
	return s
}

// table is a result in normal form.
type table struct {
	classes []class
	rows    [][]*string
	hash    string
}

// normalise sorts the rows unless their order counts, and hashes them.
func normalise(r *Reply, ordered bool) table {
	t := table{rows: r.Rows}
	for _, c := range r.Columns {
		t.classes = append(t.classes, classOf(c.Type))
	}
	lines := make([]string, len(t.rows))
	for i, row := range t.rows {
		var b strings.Builder
		for c, v := range row {
			if c < len(t.classes) {
				b.WriteString(t.classes[c].normal(v))
			}
			b.WriteByte(0x1f)
		}
		lines[i] = b.String()
	}
	if !ordered {
		slices.Sort(lines)
	}
	h := sha256.New()
	for _, l := range lines {
		h.Write([]byte(l))
		h.Write([]byte{'\n'})
	}
	t.hash = hex.EncodeToString(h.Sum(nil)[:8])
	return t
}

// compare says how a result relates to another one, by Rule.
func compare(a, b *Reply, ordered bool) string {
	switch {
	case a.Count != b.Count:
		return fmt.Sprintf("%d rows, not %d", a.Count, b.Count)
	case len(a.Columns) != len(b.Columns):
		return fmt.Sprintf("%d columns, not %d", len(a.Columns), len(b.Columns))
	case len(a.Rows) != len(b.Rows):
		return fmt.Sprintf("%d rows were sent, not %d", len(a.Rows), len(b.Rows))
	case a.Sampled && !ordered:
		return "too many rows to compare without an order"
	}
	x, y := normalise(a, ordered), normalise(b, ordered)
	if x.hash == y.hash {
		return Same
	}
	p := pairing{a: x.classes, b: y.classes}
	if !ordered {
		x.rows, y.rows = p.sorted(x.rows, p.a), p.sorted(y.rows, p.b)
	}
	for i := range x.rows {
		for c := range p.a {
			if len(x.rows[i]) != len(p.a) || len(y.rows[i]) != len(p.b) {
				return fmt.Sprintf("row %d has %d values, not %d", i+1, len(x.rows[i]), len(y.rows[i]))
			}
			if !p.equal(c, x.rows[i][c], y.rows[i][c]) {
				return fmt.Sprintf("row %d, column %s: %s, not %s", i+1, a.Columns[c].Name, shown(x.rows[i][c]), shown(y.rows[i][c]))
			}
		}
	}
	return Near
}

func shown(v *string) string {
	if v == nil {
		return "NULL"
	}
	return *v
}

// pairing compares the values of two results column by column.
type pairing struct{ a, b []class }

// loose reports whether equal values of a column may be written differently.
func (p pairing) loose(c int) bool {
	return p.a[c].kind == double || p.b[c].kind == double || p.a[c].kind == exact && p.b[c].kind == exact && p.a[c].scale != p.b[c].scale
}

// sorted orders rows by the columns that are equal to the letter, then by the
// numbers of the others, so that rows that agree meet.
func (p pairing) sorted(rows [][]*string, classes []class) [][]*string {
	type keyed struct {
		row  []*string
		text string
		nums []float64
	}
	list := make([]keyed, len(rows))
	for i, row := range rows {
		k := keyed{row: row}
		var b strings.Builder
		for c, v := range row {
			switch {
			case c >= len(classes):
			case !p.loose(c):
				b.WriteString(classes[c].normal(v))
				b.WriteByte(0x1f)
			case v == nil:
				k.nums = append(k.nums, math.Inf(-1))
			default:
				x, _ := strconv.ParseFloat(*v, 64) // what is no number fails in equal
				k.nums = append(k.nums, x)
			}
		}
		k.text = b.String()
		list[i] = k
	}
	slices.SortStableFunc(list, func(a, b keyed) int {
		if c := strings.Compare(a.text, b.text); c != 0 {
			return c
		}
		return slices.Compare(a.nums, b.nums)
	})
	out := make([][]*string, len(rows))
	for i := range list {
		out[i] = list[i].row
	}
	return out
}

// equal compares two values of a column.
func (p pairing) equal(c int, a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	if !p.loose(c) {
		return p.a[c].kind == p.b[c].kind && p.a[c].normal(a) == p.b[c].normal(b)
	}
	if p.a[c].kind == textual || p.b[c].kind == textual {
		return false
	}
	if p.a[c].kind == exact && p.b[c].kind == exact {
		x, ok := new(big.Rat).SetString(*a)
		y, ok2 := new(big.Rat).SetString(*b)
		if !ok || !ok2 {
			return false
		}
		d := x.Sub(x, y)
		unit := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(min(p.a[c].scale, p.b[c].scale))), nil))
		return d.Abs(d).Cmp(unit) < 0
	}
	x, err := strconv.ParseFloat(*a, 64)
	y, err2 := strconv.ParseFloat(*b, 64)
	if err != nil || err2 != nil {
		return false
	}
	if math.IsNaN(x) || math.IsNaN(y) || math.IsInf(x, 0) || math.IsInf(y, 0) {
		return math.IsNaN(x) && math.IsNaN(y) || x == y
	}
	slack := tolerance * math.Max(math.Abs(x), math.Abs(y))
	for _, k := range []class{p.a[c], p.b[c]} {
		if k.kind == exact {
			slack += math.Pow10(-k.scale)
		}
	}
	return math.Abs(x-y) <= slack
}
