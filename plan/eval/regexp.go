package eval

import (
	"regexp"
	"unicode/utf8"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// replacement turns $1 and \$ of Java's replacements into Go's.
func replacement(s []byte) []byte {
	var out []byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			if s[i] == '$' {
				out = append(out, '$')
			}
			out = append(out, s[i])
		case c == '$' && i+1 < len(s) && s[i+1]-'0' <= 9:
			out = append(out, '$', '{', s[i+1], '}')
			i++
		case c == '$':
			out = append(out, '$', '$')
		default:
			out = append(out, c)
		}
	}
	return out
}

// regexpFunction computes a function whose second argument is a regular
// expression; nil for others.
func regexpFunction(c *expr.Call) function {
	name := c.Fn.Name
	var row func(b *builder, re *regexp.Regexp, s []byte, args []*columnar.Vector, i int) error
	switch name {
	case "regexp_replace":
		row = func(b *builder, re *regexp.Regexp, s []byte, args []*columnar.Vector, i int) error {
			b.str(i, re.ReplaceAll(s, replacement(args[2].BytesAt(i))))
			return nil
		}
	case "regexp_extract":
		row = func(b *builder, re *regexp.Regexp, s []byte, args []*columnar.Vector, i int) error {
			group := int64(1)
			if len(args) > 2 {
				group = args[2].Int64At(i)
			}
			if group < 0 || group > int64(re.NumSubexp()) {
				return diag.NewAt(c.Place, diag.InvalidArgument, "the regular expression '%s' has no group %d", re, group).
					WithRemedy("group 0 is the whole match")
			}
			var part []byte
			if m := re.FindSubmatch(s); m != nil {
				part = m[group]
			}
			b.str(i, part)
			return nil
		}
	case "regexp_substr":
		row = func(b *builder, re *regexp.Regexp, s []byte, _ []*columnar.Vector, i int) error {
			if at := re.FindIndex(s); at != nil {
				b.str(i, s[at[0]:at[1]])
			} else {
				b.null(i)
			}
			return nil
		}
	case "regexp_count":
		row = func(b *builder, re *regexp.Regexp, s []byte, _ []*columnar.Vector, i int) error {
			b.int(i, int64(len(re.FindAllIndex(s, -1))))
			return nil
		}
	case "regexp_instr":
		row = func(b *builder, re *regexp.Regexp, s []byte, _ []*columnar.Vector, i int) error {
			if at := re.FindIndex(s); at != nil {
				b.int(i, int64(utf8.RuneCount(s[:at[0]]))+1)
			} else {
				b.int(i, 0)
			}
			return nil
		}
	default:
		return nil
	}
	var known string
	var re *regexp.Regexp
	return perRow(c.Typ, func(b *builder, args []*columnar.Vector, i int) error {
		if text := args[1].BytesAt(i); re == nil || string(text) != known {
			q, err := regexp.Compile(string(text))
			if err != nil {
				return diag.NewAt(c.Place, diag.InvalidArgument, "the regular expression '%s' is not valid: %v", text, err)
			}
			re, known = q, string(text)
		}
		return row(b, re, args[0].BytesAt(i), args, i)
	})
}
