package expr

import (
	"sort"
	"strings"
	"sync"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
)

// FunctionTable is a fixed set of functions by name.
type FunctionTable struct {
	byName map[string]*Function
	names  []string
}

// Builtins returns the functions that Millrace knows.
var Builtins = sync.OnceValue(func() *FunctionTable {
	t := &FunctionTable{byName: map[string]*Function{}}
	for _, list := range [][]*Function{operators(), mathFunctions(), stringFunctions(), encodings(), timeFunctions(), conditionals(), collections(), aggregates(), windowFunctions()} {
		for _, f := range list {
			t.byName[f.Name] = f
			t.names = append(t.names, f.Name)
		}
	}
	for alias, name := range aliases {
		t.byName[alias] = t.byName[name]
		t.names = append(t.names, alias)
	}
	sort.Strings(t.names)
	return t
})

var aliases = map[string]string{
	"mean": "avg", "std": "stddev_samp", "stddev": "stddev_samp", "variance": "var_samp", "every": "bool_and",
	"some": "bool_or", "any": "bool_or", "first_value": "first", "last_value": "last", "char_length": "length",
	"character_length": "length", "len": "length", "lcase": "lower", "ucase": "upper", "substr": "substring",
	"dayofmonth": "day", "power": "pow", "ceiling": "ceil", "mod": "%", "ifnull": "coalesce", "nvl": "coalesce",
	"dateadd": "date_add", "date_diff": "datediff", "signum": "sign", "!=": "<>", "==": "=",
	"equal_null": "<=>", "regexp": "rlike", "regexp_like": "rlike", "shiftleft": "<<", "shiftright": ">>", "shiftrightunsigned": ">>>",
	"btrim": "trim", "char": "chr", "sha": "sha1", "getbit": "bit_get", "date": "to_date",
	"array_agg": "collect_list", "cardinality": "size",
}

// Lookup finds a function by name, without case.
func (t *FunctionTable) Lookup(name string) (*Function, bool) {
	f, ok := t.byName[strings.ToLower(name)]
	return f, ok
}

// Names lists names and aliases, sorted.
func (t *FunctionTable) Names() []string { return t.names }

// Call returns a resolved call of a builtin whose arguments have the right types
// already; it panics on an unknown name, which only code can cause.
func NewCall(name string, typ columnar.Type, args ...Expr) *Call {
	f, ok := Builtins().Lookup(name)
	if !ok {
		panic("expr: no function " + name)
	}
	c := &Call{Fn: f, Args: args, Typ: typ}
	c.Null = CallNullable(f, args, Signature{})
	return c
}

// CallNullable applies a function's rule about nulls.
func CallNullable(f *Function, args []Expr, s Signature) bool {
	if f.NeverNull {
		return false
	}
	if s.Nullable {
		return true
	}
	switch f.Name {
	case "coalesce":
		for _, a := range args {
			if !a.Nullable() {
				return false
			}
		}
		return true
	case "if":
		return args[1].Nullable() || args[2].Nullable()
	}
	for _, a := range args {
		if a.Nullable() {
			return true
		}
	}
	return false
}

// ---- resolvers ----

func arity(args []Expr, name string, least, most int) error {
	if len(args) >= least && (most < 0 || len(args) <= most) {
		return nil
	}
	switch {
	case least == most:
		return diag.New(diag.WrongArguments, "%s takes %d arguments, not %d", name, least, len(args))
	case most < 0:
		return diag.New(diag.WrongArguments, "%s takes at least %d arguments, not %d", name, least, len(args))
	}
	return diag.New(diag.WrongArguments, "%s takes %d to %d arguments, not %d", name, least, most, len(args))
}

func mismatch(name string, args []Expr, want string) error {
	var ts []string
	for _, a := range args {
		ts = append(ts, a.Type().String())
	}
	return diag.New(diag.TypeMismatch, "%s needs %s, not (%s)", name, want, strings.Join(ts, ", ")).
		WithRemedy("convert with CAST(… AS type)")
}

// fixedTypes resolves calls whose parameters have fixed types; the last optional
// ones may be missing.
func fixedTypes(name string, result columnar.Type, least int, types ...columnar.Type) func([]Expr) (Signature, error) {
	return func(args []Expr) (Signature, error) {
		if err := arity(args, name, least, len(types)); err != nil {
			return Signature{}, err
		}
		for i, a := range args {
			if !ImplicitCast(a.Type(), types[i]) {
				return Signature{}, mismatch(name, args, "("+typeList(types)+")")
			}
		}
		return Signature{Args: types[:len(args)], Result: result}, nil
	}
}

func typeList(ts []columnar.Type) string {
	parts := make([]string, len(ts))
	for i, t := range ts {
		parts[i] = t.String()
	}
	return strings.Join(parts, ", ")
}

func strict(name, doc string, fallible bool, resolve func([]Expr) (Signature, error)) *Function {
	return &Function{Name: name, Resolve: resolve, NullOnNull: true, Fallible: fallible, Doc: doc}
}

func comparison(name string) *Function {
	f := strict(name, "Compares two values.", false, func(args []Expr) (Signature, error) {
		if err := arity(args, name, 2, 2); err != nil {
			return Signature{}, err
		}
		t, err := comparable2(name, args)
		return Signature{Args: []columnar.Type{t, t}, Result: columnar.BoolType}, err
	})
	if name == "<=>" {
		f.NullOnNull, f.NeverNull = false, true
	}
	return f
}

func comparable2(name string, args []Expr) (columnar.Type, error) {
	a, b := args[0].Type(), args[1].Type()
	if a.Kind == columnar.Decimal || b.Kind == columnar.Decimal { // an integer literal takes the decimal's shape
		if x, ok := literalDigits(args[0]); ok {
			a = x
		}
		if x, ok := literalDigits(args[1]); ok {
			b = x
		}
	}
	t, ok := CommonType(a, b)
	if !ok || t.IsNested() {
		return t, mismatch(name, args, "two comparable values")
	}
	return t, nil
}

func arithmetic(name string) *Function {
	return strict(name, "Arithmetic on numbers, dates, timestamps and intervals.", true, func(args []Expr) (Signature, error) {
		if err := arity(args, name, 2, 2); err != nil {
			return Signature{}, err
		}
		a, b := args[0].Type(), args[1].Type()
		if a.Kind == columnar.Null {
			a = b
		}
		if b.Kind == columnar.Null {
			b = a
		}
		if s, ok := temporalArithmetic(name, a, b); ok {
			return s, nil
		}
		if a.Kind == columnar.String && b.IsNumeric() || a.Kind == columnar.String && b.Kind == columnar.String {
			a = columnar.Float64Type
			if b.IsInteger() && name != "/" {
				a = columnar.Int64Type
			}
		}
		if b.Kind == columnar.String && a.IsNumeric() {
			b = columnar.Float64Type
			if a.IsInteger() && name != "/" {
				b = columnar.Int64Type
			}
		}
		if !a.IsNumeric() || !b.IsNumeric() {
			return Signature{}, mismatch(name, args, "numbers, or a date or timestamp and an interval")
		}
		nullable := false
		switch {
		case a.IsFloat() || b.IsFloat():
			t := columnar.Float64Type
			if a.Kind == columnar.Float32 && b.Kind == columnar.Float32 && name != "/" {
				t = columnar.Float32Type
			}
			return Signature{Args: []columnar.Type{t, t}, Result: t, Nullable: nullable}, nil
		case a.Kind == columnar.Decimal || b.Kind == columnar.Decimal:
			x, y := decimalOperands(args)
			if x.Kind != columnar.Decimal {
				x, _ = digits(a)
			}
			if y.Kind != columnar.Decimal {
				y, _ = digits(b)
			}
			return Signature{Args: []columnar.Type{x, y}, Result: DecimalResult(name, x, y)}, nil
		case name == "/":
			return Signature{Args: []columnar.Type{columnar.Float64Type, columnar.Float64Type}, Result: columnar.Float64Type}, nil
		}
		t := commonNumeric(a, b)
		return Signature{Args: []columnar.Type{t, t}, Result: t}, nil
	})
}

func isInterval(t columnar.Type) bool {
	return t.Kind == columnar.DayTimeInterval || t.Kind == columnar.YearMonthInterval
}

func temporalArithmetic(op string, a, b columnar.Type) (Signature, bool) {
	sig := func(x, y, r columnar.Type) (Signature, bool) {
		return Signature{Args: []columnar.Type{x, y}, Result: r}, true
	}
	if op == "+" && (isInterval(a) || a.IsInteger()) && isTemporal(b) {
		s, ok := temporalArithmetic(op, b, a)
		if ok {
			s.Args[0], s.Args[1] = s.Args[1], s.Args[0]
		}
		return s, ok
	}
	plusMinus := op == "+" || op == "-"
	switch {
	case a.Kind == columnar.Date && b.IsInteger() && plusMinus:
		return sig(a, columnar.Int32Type, a)
	case a.Kind == columnar.Date && b.Kind == columnar.YearMonthInterval && plusMinus:
		return sig(a, b, a)
	case a.Kind == columnar.Date && b.Kind == columnar.DayTimeInterval && plusMinus:
		if b.From == columnar.Day && b.To == columnar.Day {
			return sig(a, b, a)
		}
		return sig(columnar.TimestampType, b, columnar.TimestampType)
	case isTemporal(a) && isInterval(b) && plusMinus:
		return sig(a, b, a)
	case a.Kind == columnar.Date && b.Kind == columnar.Date && op == "-":
		return sig(a, b, columnar.Type{Kind: columnar.DayTimeInterval, From: columnar.Day, To: columnar.Day})
	case isTemporal(a) && isTemporal(b) && op == "-":
		t, _ := CommonType(a, b)
		return sig(t, t, columnar.DayTimeType)
	case isInterval(a) && a.Kind == b.Kind && plusMinus:
		t, _ := CommonType(a, b)
		return sig(t, t, t)
	case isInterval(a) && b.IsInteger() && op == "*":
		t := columnar.DayTimeType
		if a.Kind == columnar.YearMonthInterval {
			t = columnar.YearMonthType
		}
		return sig(a, columnar.Int64Type, t)
	case a.IsInteger() && isInterval(b) && op == "*":
		t := columnar.DayTimeType
		if b.Kind == columnar.YearMonthInterval {
			t = columnar.YearMonthType
		}
		return sig(columnar.Int64Type, b, t)
	}
	return Signature{}, false
}

func logicOp(name string, n int) *Function {
	f := &Function{Name: name, Doc: "Three-valued logic.", NullOnNull: name == "not"}
	f.Resolve = func(args []Expr) (Signature, error) {
		if err := arity(args, name, n, n); err != nil {
			return Signature{}, err
		}
		s := Signature{Result: columnar.BoolType}
		for _, a := range args {
			if k := a.Type().Kind; k != columnar.Bool && k != columnar.Null {
				return s, mismatch(name, args, "boolean conditions")
			}
			s.Args = append(s.Args, columnar.BoolType)
		}
		return s, nil
	}
	return f
}

func test(name string) *Function {
	return &Function{Name: name, NeverNull: true, Doc: "Tests a value.", Resolve: func(args []Expr) (Signature, error) {
		if err := arity(args, name, 1, 1); err != nil {
			return Signature{}, err
		}
		t := args[0].Type()
		switch name {
		case "isnull", "isnotnull":
		case "isnan":
			t = columnar.Float64Type
		default:
			t = columnar.BoolType
		}
		if !ImplicitCast(args[0].Type(), t) {
			return Signature{}, mismatch(name, args, t.String())
		}
		return Signature{Args: []columnar.Type{t}, Result: columnar.BoolType}, nil
	}}
}

// common resolves functions whose arguments share a type that is the result.
func common(name string, least, most, from int) func([]Expr) (Signature, error) {
	return func(args []Expr) (Signature, error) {
		if err := arity(args, name, least, most); err != nil {
			return Signature{}, err
		}
		t := args[from].Type()
		for _, a := range args[from+1:] {
			c, ok := CommonType(t, a.Type())
			if !ok {
				return Signature{}, mismatch(name, args, "values of one type")
			}
			t = c
		}
		s := Signature{Result: t}
		for i := range args {
			if i < from {
				s.Args = append(s.Args, columnar.BoolType)
			} else {
				s.Args = append(s.Args, t)
			}
		}
		return s, nil
	}
}

func operators() []*Function {
	str := columnar.StringType
	fs := []*Function{
		arithmetic("+"), arithmetic("-"), arithmetic("*"), arithmetic("/"), arithmetic("%"),
		comparison("="), comparison("<>"), comparison("<"), comparison("<="), comparison(">"), comparison(">="), comparison("<=>"),
		logicOp("and", 2), logicOp("or", 2), logicOp("not", 1),
		test("isnull"), test("isnotnull"), test("istrue"), test("isfalse"), test("isnan"),
		strict("div", "Integral division.", true, fixedTypes("div", columnar.Int64Type, 2, columnar.Int64Type, columnar.Int64Type)),
		strict("negative", "Negates a number.", true, sameNumeric("negative", true)),
		strict("positive", "The number itself.", false, sameNumeric("positive", true)),
		strict("like", "Matches a pattern of % and _.", true, fixedTypes("like", columnar.BoolType, 2, str, str, str)),
		strict("ilike", "Matches a pattern without case.", true, fixedTypes("ilike", columnar.BoolType, 2, str, str, str)),
		strict("rlike", "Matches a regular expression.", true, fixedTypes("rlike", columnar.BoolType, 2, str, str)),
		strict("||", "Concatenates strings.", false, fixedTypes("||", str, 2, str, str)),
	}
	for _, op := range []string{"&", "|", "^", "<<", ">>", ">>>"} {
		fs = append(fs, strict(op, "Works on bits.", false, bitwise(op)))
	}
	fs = append(fs, strict("~", "Inverts bits.", false, sameNumeric("~", false)))
	in := &Function{Name: "in", Doc: "Whether the first value equals one of the others."}
	in.Resolve = func(args []Expr) (Signature, error) {
		s, err := common("in", 2, -1, 0)(args)
		s.Result = columnar.BoolType
		return s, err
	}
	between := &Function{Name: "between", Doc: "Whether a value lies between two others, both included."}
	between.Resolve = func(args []Expr) (Signature, error) {
		s, err := common("between", 3, 3, 0)(args)
		s.Result = columnar.BoolType
		return s, err
	}
	return append(fs, in, between)
}

// bitwise resolves operators on the bits of integers; shifts keep the type of
// what is shifted, int at least.
func bitwise(op string) func([]Expr) (Signature, error) {
	return func(args []Expr) (Signature, error) {
		if err := arity(args, op, 2, 2); err != nil {
			return Signature{}, err
		}
		ts := [2]columnar.Type{}
		for i, a := range args {
			ts[i] = a.Type()
			if ts[i].Kind == columnar.Null {
				ts[i] = columnar.Int32Type
			}
			if !ts[i].IsInteger() {
				return Signature{}, mismatch(op, args, "integers")
			}
		}
		if op == "&" || op == "|" || op == "^" {
			t := commonNumeric(ts[0], ts[1])
			return Signature{Args: []columnar.Type{t, t}, Result: t}, nil
		}
		t := commonNumeric(ts[0], columnar.Int32Type)
		if !ImplicitCast(ts[1], columnar.Int32Type) {
			return Signature{}, mismatch(op, args, "an integer and a count of type int")
		}
		return Signature{Args: []columnar.Type{t, columnar.Int32Type}, Result: t}, nil
	}
}

func sameNumeric(name string, intervals bool) func([]Expr) (Signature, error) {
	return func(args []Expr) (Signature, error) {
		if err := arity(args, name, 1, 1); err != nil {
			return Signature{}, err
		}
		t := args[0].Type()
		if t.Kind == columnar.String || t.Kind == columnar.Null {
			t = columnar.Float64Type
		}
		if !t.IsNumeric() && !(intervals && isInterval(t)) {
			return Signature{}, mismatch(name, args, "a number")
		}
		return Signature{Args: []columnar.Type{t}, Result: t}, nil
	}
}

func timeFunctions() []*Function {
	i, d, s := columnar.Int32Type, columnar.DateType, columnar.StringType
	var fs []*Function
	field := func(name, doc string, result columnar.Type) *Function {
		return strict(name, doc, false, func(args []Expr) (Signature, error) {
			if err := arity(args, name, 1, 1); err != nil {
				return Signature{}, err
			}
			t := args[0].Type()
			clock := name == "hour" || name == "minute" || name == "second" || name == "extract_second"
			switch {
			case clock && (t.Kind == columnar.Time || t.Kind == columnar.DayTimeInterval),
				name == "day" && t.Kind == columnar.DayTimeInterval,
				(name == "year" || name == "month") && t.Kind == columnar.YearMonthInterval:
				return Signature{Args: []columnar.Type{t}, Result: result}, nil
			case clock && !isTemporal(t) || t.Kind == columnar.Date && clock:
				t = columnar.TimestampType
			case !isTemporal(t):
				t = d
			}
			if !ImplicitCast(args[0].Type(), t) {
				return Signature{}, mismatch(name, args, "a date or timestamp")
			}
			return Signature{Args: []columnar.Type{t}, Result: result}, nil
		})
	}
	for _, n := range []string{"year", "month", "day", "quarter", "dayofweek", "weekday", "dayofyear", "weekofyear", "hour", "minute", "second"} {
		fs = append(fs, field(n, "A field of a date, timestamp or interval.", i))
	}
	fs = append(fs, field("extract_second", "The seconds with their fraction, as EXTRACT(SECOND FROM …).", columnar.DecimalType(8, 6)))
	return append(fs,
		strict("date_add", "A date some days later.", true, fixedTypes("date_add", d, 2, d, i)),
		strict("date_sub", "A date some days earlier.", true, fixedTypes("date_sub", d, 2, d, i)),
		strict("datediff", "Days between two dates.", false, fixedTypes("datediff", i, 2, d, d)),
		strict("add_months", "A date some months later.", true, fixedTypes("add_months", d, 2, d, i)),
		strict("last_day", "The last day of the month.", false, fixedTypes("last_day", d, 1, d)),
		strict("to_date", "A string or timestamp as a date.", true, func(args []Expr) (Signature, error) {
			if err := arity(args, "to_date", 1, 2); err != nil {
				return Signature{}, err
			}
			if len(args) == 2 {
				return Signature{}, diag.New(diag.Unsupported, "to_date with a pattern is not supported yet").WithRemedy("write dates as yyyy-MM-dd")
			}
			return Signature{Args: []columnar.Type{d}, Result: d}, nil
		}),
		strict("trunc", "A date cut to YEAR, QUARTER, MONTH or WEEK.", false, nullable(fixedTypes("trunc", d, 2, d, s))),
		strict("date_trunc", "A timestamp cut to a unit.", false, nullable(fixedTypes("date_trunc", columnar.TimestampType, 2, s, columnar.TimestampType))),
		strict("date_from_unix_date", "The date some days after 1970-01-01.", true, fixedTypes("date_from_unix_date", d, 1, i)),
		strict("next_day", "The first date after another that is a day of the week.", true, fixedTypes("next_day", d, 2, d, s)),
		strict("timestamp_seconds", "A timestamp out of seconds since 1970.", true, fixedTypes("timestamp_seconds", columnar.TimestampType, 1, columnar.Int64Type)),
		strict("timestamp_millis", "A timestamp out of milliseconds since 1970.", true, fixedTypes("timestamp_millis", columnar.TimestampType, 1, columnar.Int64Type)),
		strict("timestamp_micros", "A timestamp out of microseconds since 1970.", true, fixedTypes("timestamp_micros", columnar.TimestampType, 1, columnar.Int64Type)),
		strict("unix_seconds", "Seconds since 1970.", false, fixedTypes("unix_seconds", columnar.Int64Type, 1, columnar.TimestampType)),
		strict("unix_millis", "Milliseconds since 1970.", false, fixedTypes("unix_millis", columnar.Int64Type, 1, columnar.TimestampType)),
		strict("unix_micros", "Microseconds since 1970.", false, fixedTypes("unix_micros", columnar.Int64Type, 1, columnar.TimestampType)),
		strict("unix_date", "Days since 1970-01-01.", false, fixedTypes("unix_date", i, 1, d)),
		strict("make_date", "A date from year, month and day.", true, fixedTypes("make_date", d, 3, i, i, i)),
	)
}

func conditionals() []*Function {
	nullif := &Function{Name: "nullif", Doc: "Null if both are equal, else the first."}
	nullif.Resolve = func(args []Expr) (Signature, error) {
		s, err := common("nullif", 2, 2, 0)(args)
		s.Nullable = true
		return s, err
	}
	return []*Function{
		{Name: "coalesce", Doc: "The first value that is not null.", Resolve: common("coalesce", 1, -1, 0)},
		{Name: "if", Doc: "The second value if the condition is true, else the third.", Resolve: common("if", 3, 3, 1)},
		nullif,
		{Name: "greatest", Doc: "The greatest value that is not null.", Resolve: common("greatest", 2, -1, 0)},
		{Name: "least", Doc: "The least value that is not null.", Resolve: common("least", 2, -1, 0)},
		{Name: "typeof", Doc: "The type's name.", NeverNull: true, Resolve: func(args []Expr) (Signature, error) {
			if err := arity(args, "typeof", 1, 1); err != nil {
				return Signature{}, err
			}
			return Signature{Args: []columnar.Type{args[0].Type()}, Result: columnar.StringType}, nil
		}},
	}
}

func aggregates() []*Function {
	agg := func(name, doc string, resolve func([]Expr) (Signature, error)) *Function {
		return &Function{Name: name, Kind: AggregateFunction, Doc: doc, Resolve: resolve}
	}
	numeric := func(name string, result func(columnar.Type) columnar.Type) func([]Expr) (Signature, error) {
		return func(args []Expr) (Signature, error) {
			if err := arity(args, name, 1, 1); err != nil {
				return Signature{}, err
			}
			t := args[0].Type()
			if t.Kind == columnar.String || t.Kind == columnar.Null {
				t = columnar.Float64Type
			}
			if !t.IsNumeric() {
				return Signature{}, mismatch(name, args, "a number")
			}
			return Signature{Args: []columnar.Type{t}, Result: result(t), Nullable: true}, nil
		}
	}
	sum := func(t columnar.Type) columnar.Type {
		switch {
		case t.Kind == columnar.Decimal:
			return columnar.DecimalType(min(int(t.Precision)+10, columnar.MaxPrecision), int(t.Scale))
		case t.IsInteger():
			return columnar.Int64Type
		}
		return columnar.Float64Type
	}
	avg := func(t columnar.Type) columnar.Type {
		if t.Kind == columnar.Decimal {
			return BoundedDecimal(int(t.Precision)+4, int(t.Scale)+4)
		}
		return columnar.Float64Type
	}
	same := func(name string) func([]Expr) (Signature, error) {
		return func(args []Expr) (Signature, error) {
			if err := arity(args, name, 1, 1); err != nil {
				return Signature{}, err
			}
			t := args[0].Type()
			if t.IsNested() {
				return Signature{}, mismatch(name, args, "a value that can be ordered")
			}
			return Signature{Args: []columnar.Type{t}, Result: t, Nullable: true}, nil
		}
	}
	double := func(name string) *Function {
		return agg(name, "A moment of the values.", func(args []Expr) (Signature, error) {
			s, err := fixedTypes(name, columnar.Float64Type, 1, columnar.Float64Type)(args)
			s.Nullable = true
			return s, err
		})
	}
	boolean := func(name string) *Function {
		return agg(name, "Whether all (any) of the values are true.", func(args []Expr) (Signature, error) {
			s, err := fixedTypes(name, columnar.BoolType, 1, columnar.BoolType)(args)
			s.Nullable = true
			return s, err
		})
	}
	count := agg("count", "The number of rows, or of values that are not null.", func(args []Expr) (Signature, error) {
		s := Signature{Result: columnar.Int64Type}
		for _, a := range args {
			s.Args = append(s.Args, a.Type())
		}
		return s, nil
	})
	count.NeverNull = true
	countIf := agg("count_if", "The number of rows for which a condition is true.", fixedTypes("count_if", columnar.Int64Type, 1, columnar.BoolType))
	countIf.NeverNull = true
	first, last := agg("first", "The first value.", same("first")), agg("last", "The last value.", same("last"))
	first.OrderSensitive, last.OrderSensitive = true, true
	list := func(name, doc string) *Function {
		f := agg(name, doc, func(args []Expr) (Signature, error) {
			if err := arity(args, name, 1, 1); err != nil {
				return Signature{}, err
			}
			t := args[0].Type()
			return Signature{Args: []columnar.Type{t}, Result: columnar.ListType(t, false)}, nil
		})
		f.NeverNull, f.OrderSensitive = true, true
		return f
	}
	return []*Function{
		count, countIf, agg("sum", "The sum.", numeric("sum", sum)), agg("avg", "The average.", numeric("avg", avg)),
		agg("min", "The least value.", same("min")), agg("max", "The greatest value.", same("max")),
		first, last, agg("any_value", "Some value.", same("any_value")),
		list("collect_list", "The values that are not null, as an array."),
		list("collect_set", "The different values that are not null, as an array."),
		double("stddev_samp"), double("stddev_pop"), double("var_samp"), double("var_pop"),
		boolean("bool_and"), boolean("bool_or"),
	}
}
