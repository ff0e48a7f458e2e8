package wasm

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/millrace-engine/millrace/artifacts"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// Signature is a function of a library as CREATE FUNCTION declares it.
type Signature struct {
	Name    string // in SQL
	Library artifacts.ID
	Export  string
	Params  []columnar.Type
	Result  columnar.Type
	// Nulls: it is called for rows with nulls, too.
	Nulls bool
	// Memory bounds the bytes of a guest's memory, Call the time for a batch.
	Memory int64
	Call   time.Duration
}

// letters are the types that functions may have, in the encoding of a signature.
var letters = map[columnar.Kind]byte{columnar.Bool: 'b', columnar.Int32: 'i', columnar.Int64: 'l', columnar.Float64: 'd', columnar.String: 's', columnar.Binary: 'x'}

var types = map[byte]columnar.Type{'b': columnar.BoolType, 'i': columnar.Int32Type, 'l': columnar.Int64Type, 'd': columnar.Float64Type, 's': columnar.StringType, 'x': columnar.BinaryType}

const sourcePrefix = "wasm:"

// maxParams bounds the parameters of a function.
const maxParams = 16

// source is how plans name the function: wasm:HASH:EXPORT:TYPES:nulls:memory:time:NAME. The
// last of the types is the result's.
func (s *Signature) source() (string, error) {
	if len(s.Params) == 0 || len(s.Params) > maxParams {
		return "", diag.New(diag.InvalidArgument, "the function %s has %d parameters", s.Name, len(s.Params)).WithRemedy("a function of a library has 1 to %d", maxParams)
	}
	code := ""
	for _, t := range append(append([]columnar.Type{}, s.Params...), s.Result) {
		l, ok := letters[t.Kind]
		if !ok {
			return "", diag.New(diag.TypeMismatch, "a function of a library cannot have values of type %s", t).WithRemedy("use boolean, int, bigint, double, string or binary")
		}
		code += string(l)
	}
	if s.Export == "" || len(s.Export) > 200 || strings.ContainsAny(s.Export+s.Name, ":\n\x00") {
		return "", diag.New(diag.InvalidArgument, "%.200q is no name of an export, or %.200q of a function", s.Export, s.Name)
	}
	nulls := "strict"
	if s.Nulls {
		nulls = "nulls"
	}
	return sourcePrefix + strings.Join([]string{s.Library.String(), s.Export, code, nulls, strconv.FormatInt(s.Memory, 10), s.Call.String(), s.Name}, ":"), nil
}

// parse is the reverse of source; it takes nothing else.
func parse(source string) (s Signature, err error) {
	bad := fmt.Errorf("wasm: %.200q is no function", source)
	text, ok := strings.CutPrefix(source, sourcePrefix)
	p := strings.Split(text, ":")
	if !ok || len(p) != 7 || len(p[2]) < 2 {
		return s, bad
	}
	if s.Library, err = artifacts.ParseID(p[0]); err != nil {
		return s, err
	}
	s.Export, s.Nulls, s.Name = p[1], p[3] == "nulls", p[6]
	if s.Memory, err = strconv.ParseInt(p[4], 10, 64); err != nil || s.Memory < 0 || s.Memory > 4<<30 {
		return s, bad
	}
	if s.Call, err = time.ParseDuration(p[5]); err != nil || s.Call <= 0 {
		return s, bad
	}
	for i := range len(p[2]) {
		t, ok := types[p[2][i]]
		if !ok {
			return s, bad
		}
		s.Params = append(s.Params, t)
	}
	n := len(s.Params) - 1
	s.Params, s.Result = s.Params[:n], s.Params[n]
	if again, err := s.source(); err != nil || again != source {
		return s, bad
	}
	return s, nil
}

// Function makes the planner's view of a function; libraries compute it.
func (l *Libraries) Function(s Signature) (*expr.Function, error) {
	source, err := s.source()
	if err != nil {
		return nil, err
	}
	return &expr.Function{Name: s.Name, Source: source, NullOnNull: !s.Nulls, Fallible: true, Resolve: expr.Fixed(s.Name, s.Result, true, s.Params...),
		Scalar: &scalar{Signature: s, libraries: l}, Doc: "A function of a WebAssembly library."}, nil
}

// Find implements expr.Lookup: functions of libraries, and those of next.
func (l *Libraries) Find(name string) (*expr.Function, error) {
	if !strings.HasPrefix(name, sourcePrefix) {
		return l.Next.Find(name)
	}
	s, err := parse(name)
	if err != nil {
		return nil, err
	}
	return l.Function(s)
}
