package partition

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/columnar/text"
	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/eval"
	"github.com/millrace-engine/millrace/plan/expr"
)

// layout is what the directories of a table say.
type layout struct {
	names []string
	types []columnar.Type
	dirs  map[string][]*string // values by directory; nil is null
}

// discover reads the directories of files below base, or below the path that
// each was found under. No partition directories give a layout without names.
func discover(files []fs.File, base string) (*layout, error) {
	l := &layout{dirs: map[string][]*string{}}
	first := ""
	for _, f := range files {
		dir := filepath.Dir(f.Path)
		if _, ok := l.dirs[dir]; ok {
			continue
		}
		root := f.Root
		if base != "" {
			root = filepath.Clean(base)
			if r, err := filepath.Rel(root, dir); err != nil || !filepath.IsLocal(r) {
				return nil, diag.New(diag.InvalidArgument, "%s does not lie below the basePath %s", f.Path, base).WithPath(f.Path)
			}
		}
		names, values, err := parse(dir, root)
		if err != nil {
			return nil, err
		}
		if first == "" {
			first, l.names = f.Path, names
		}
		if !slices.EqualFunc(names, l.names, strings.EqualFold) {
			return nil, diag.New(diag.TypeMismatch, "%s and %s have different partition directories", first, f.Path).WithPath(f.Path).
				WithRemedy("let all files of a table lie below the same columns' directories, or read them one by one")
		}
		l.dirs[dir] = values
	}
	return l, nil
}

// parse reads the partition directories at the end of a path, up to root.
func parse(dir, root string) (names []string, values []*string, err error) {
	if root == "" {
		return nil, nil, nil
	}
	root = filepath.Clean(root)
	for at := filepath.Clean(dir); at != root; at = filepath.Dir(at) {
		name, value, ok := strings.Cut(filepath.Base(at), "=")
		if !ok || name == "" || at == filepath.Dir(at) {
			break
		}
		if name = unescape(name); slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			return nil, nil, diag.New(diag.InvalidArgument, "%s names the partition column %s twice", dir, name).WithPath(dir)
		}
		var v *string
		switch value = unescape(value); value {
		case null:
		case "":
			return nil, nil, diag.New(diag.InvalidArgument, "%s has no value for the partition column %s", dir, name).WithPath(dir).
				WithRemedy("name the directory of null %s=%s", name, null)
		default:
			v = &value
		}
		names, values = append(names, name), append(values, v)
	}
	slices.Reverse(names)
	slices.Reverse(values)
	return names, values, nil
}

// infer sets the types, those of a user's schema first.
func (l *layout) infer(user *columnar.Schema) error {
	for i, name := range l.names {
		t := columnar.Type{}
		if at := index(user, name); at >= 0 {
			t = user.Fields[at].Type
			if t.IsNested() || t.Kind == columnar.Null {
				return diag.New(diag.TypeMismatch, "the partition column %s cannot be of type %s", name, t)
			}
		} else {
			var g guess
			for _, vs := range l.dirs {
				if vs[i] != nil {
					g.see(*vs[i])
				}
			}
			t = g.typ()
		}
		l.types = append(l.types, t)
	}
	for dir, vs := range l.dirs {
		for i, v := range vs {
			if _, err := literal(v, l.types[i]); err != nil {
				return diag.New(diag.CastInvalid, "%s: %q is no value of the partition column %s of type %s", dir, *v, l.names[i], l.types[i]).WithPath(dir).
					WithRemedy("rename the directory, or give the column another type in the schema")
			}
		}
	}
	return nil
}

func index(s *columnar.Schema, name string) int {
	if s == nil {
		return -1
	}
	return s.Index(name)
}

// literal reads a directory's value as one of a type.
func literal(v *string, t columnar.Type) (*expr.Literal, error) {
	if v == nil {
		return expr.Null(t), nil
	}
	if t.Kind == columnar.String {
		return expr.Lit(*v, t), nil
	}
	l, ok := eval.Fold(&expr.Cast{Arg: expr.Lit(*v, columnar.StringType), To: t}, eval.Options{}).(*expr.Literal)
	if !ok {
		return nil, diag.New(diag.CastInvalid, "%q is not %s", *v, t)
	}
	return l, nil
}

// guess narrows down what the values of a column have in common (P1).
type guess struct {
	seen   [7]bool // int, bigint, decimal, double, date, timestamp, string
	digits int     // of the longest whole number
}

func (g *guess) see(s string) {
	g.seen[g.kind(s)] = true
}

func (g *guess) kind(s string) int {
	if len(text.Trim(s)) < len(s) || s == "" {
		return 6
	}
	if whole(s) {
		g.digits = max(g.digits, len(strings.TrimLeft(s, "+-")))
		if _, err := text.ParseInt(s, 32); err == nil {
			return 0
		}
		if _, err := text.ParseInt(s, 64); err == nil {
			return 1
		}
		if _, err := text.ParseDecimalTo(s, columnar.MaxPrecision, 0); err == nil {
			return 2
		}
	}
	if number := s == "NaN" || strings.HasSuffix(s, "Infinity") || strings.ContainsAny(s[len(s)-1:], "0123456789."); number {
		if _, err := text.ParseFloat(s, 64); err == nil {
			return 3
		}
	}
	if _, err := text.ParseDate(s); err == nil && len(s) == 10 && s[4] == '-' && s[7] == '-' {
		return 4
	}
	if _, err := text.ParseTimestamp(s, time.UTC); err == nil && len(s) > 10 && s[4] == '-' && s[7] == '-' {
		return 5
	}
	return 6
}

// whole reports a sign and digits alone.
func whole(s string) bool {
	s = strings.TrimLeft(s, "+-")
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func (g *guess) typ() columnar.Type {
	numbers, dates, others := g.seen[:4], g.seen[4:6], g.seen[6]
	some := func(b []bool) bool { return slices.Contains(b, true) }
	switch {
	case others || some(numbers) && some(dates) || dates[0] && dates[1] || numbers[2] && numbers[3]:
	case numbers[3]:
		return columnar.Float64Type
	case numbers[2]:
		return columnar.DecimalType(min(g.digits, columnar.MaxPrecision), 0)
	case numbers[1]:
		return columnar.Int64Type
	case numbers[0]:
		return columnar.Int32Type
	case dates[0]:
		return columnar.DateType
	case dates[1]:
		return columnar.TimestampType
	}
	return columnar.StringType
}
