package expr

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace-engine/millrace/columnar"
)

// Lit returns a resolved literal.
func Lit(value any, typ columnar.Type) *Literal { return &Literal{Value: value, Typ: typ} }

// True and False return boolean literals; Null a null of a type.
func True() *Literal                { return Lit(true, columnar.BoolType) }
func False() *Literal               { return Lit(false, columnar.BoolType) }
func Null(t columnar.Type) *Literal { return Lit(nil, t) }

// literalString renders a literal as SQL.
func literalString(l *Literal) string {
	switch v := l.Value.(type) {
	case nil:
		return "NULL"
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'G', -1, 64)
	case string:
		if l.Typ.Kind == columnar.Binary {
			return fmt.Sprintf("X'%X'", v)
		}
		return "'" + strings.ReplaceAll(v, "'", "\\'") + "'"
	case columnar.Int128:
		return columnar.FormatDecimal(v, int(l.Typ.Scale))
	case int64:
		switch l.Typ.Kind {
		case columnar.Date:
			return "DATE '" + columnar.FormatDate(int32(v)) + "'"
		case columnar.Timestamp:
			return "TIMESTAMP '" + columnar.FormatTimestamp(v) + "'"
		case columnar.TimestampNTZ:
			return "TIMESTAMP_NTZ '" + columnar.FormatTimestamp(v) + "'"
		case columnar.DayTimeInterval, columnar.YearMonthInterval:
			return columnar.FormatInterval(v, l.Typ)
		}
		return strconv.FormatInt(v, 10)
	}
	return fmt.Sprint(l.Value)
}
