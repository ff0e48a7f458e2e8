package eval

import (
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/catalog"
	"github.com/millrace-engine/millrace/plan/expr"
)

// Prune reports whether a conjunct is certainly true for no row of a set of rows
// with the given bounds per column (by Column.Index). Unknown bounds prune
// nothing.
func Prune(conjunct expr.Expr, stats []catalog.ColumnStatistics) bool {
	c, ok := conjunct.(*expr.Call)
	if !ok {
		return false
	}
	switch c.Fn.Name {
	case "and":
		return Prune(c.Args[0], stats) || Prune(c.Args[1], stats)
	case "or":
		return Prune(c.Args[0], stats) && Prune(c.Args[1], stats)
	case "in":
		for _, a := range c.Args[1:] {
			if !pruneCompare(eq, c.Args[0], a, stats) {
				return false
			}
		}
		return true
	}
	op, ok := operators[c.Fn.Name]
	if !ok || op == ne {
		return false
	}
	if _, ok := c.Args[0].(*expr.Literal); ok {
		return pruneCompare(swapped[op], c.Args[1], c.Args[0], stats)
	}
	return pruneCompare(op, c.Args[0], c.Args[1], stats)
}

func pruneCompare(op int, column, literal expr.Expr, stats []catalog.ColumnStatistics) bool {
	col, ok := column.(*expr.Column)
	l, ok2 := literal.(*expr.Literal)
	if !ok || !ok2 || col.Index >= len(stats) || !col.Typ.Equal(l.Typ) {
		return false
	}
	s := stats[col.Index]
	if l.Value == nil {
		return true
	}
	below := s.Min != nil && comparableValues(s.Min, l.Value)
	above := s.Max != nil && comparableValues(s.Max, l.Value)
	if x, ok := l.Value.(float64); ok && (op == gt || op == ge || x != x) {
		return false // NaN is greatest, and statistics leave it out
	}
	switch op {
	case eq:
		return below && Order(l.Value, s.Min) < 0 || above && Order(l.Value, s.Max) > 0
	case lt:
		return below && Order(s.Min, l.Value) >= 0
	case le:
		return below && Order(s.Min, l.Value) > 0
	case gt:
		return above && Order(s.Max, l.Value) <= 0
	case ge:
		return above && Order(s.Max, l.Value) < 0
	}
	return false
}

func comparableValues(a, b any) bool {
	switch a.(type) {
	case int64:
		_, ok := b.(int64)
		return ok
	case columnar.Int128:
		_, ok := b.(columnar.Int128)
		return ok
	case string:
		_, ok := b.(string)
		return ok
	case float64:
		_, ok := b.(float64)
		return ok
	case bool:
		_, ok := b.(bool)
		return ok
	}
	return false
}

// Order compares two literal values of one type.
func Order(a, b any) int {
	switch x := a.(type) {
	case int64:
		return order(x, b.(int64))
	case columnar.Int128:
		return orderWide(x, b.(columnar.Int128))
	case string:
		return order(x, b.(string))
	case float64:
		return orderFloats(x, b.(float64))
	case bool:
		return int(bit(x)) - int(bit(b.(bool)))
	}
	return 0
}
