package function

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/plan/expr"
)

// Registry collects the functions of a program. It is filled before it is used;
// then it is safe for concurrent use.
type Registry struct {
	functions []*expr.Function
	tasks     map[string]*expr.Function // on partitions, by their key
	said      []string                  // one line per registration, for the fingerprint
	err       error
}

// Err returns all that was wrong with the registrations.
func (r *Registry) Err() error { return r.err }

// Table returns the functions that queries may call, the engine's own included.
func (r *Registry) Table() *expr.FunctionTable { return expr.Builtins().With(r.functions...) }

// Fingerprint tells registries apart: the same functions by the same names and Go
// types have the same. It is "" if nothing is registered.
func (r *Registry) Fingerprint() string {
	if len(r.said) == 0 {
		return ""
	}
	sorted := slices.Sorted(slices.Values(r.said))
	sum := sha256.Sum256([]byte(strings.Join(sorted, "\n")))
	return hex.EncodeToString(sum[:])
}

func (r *Registry) fail(format string, args ...any) {
	r.err = errors.Join(r.err, diag.New(diag.InvalidArgument, format, args...))
}

// add registers a function for SQL.
func (r *Registry) add(f *expr.Function, kind string, impls ...any) {
	if r.claim(f.Name, kind, impls...) {
		r.functions = append(r.functions, f)
	}
}

// table registers a table function.
func (r *Registry) table(f *expr.Function, kind string, impl any) {
	if f.Name == "range" {
		r.fail("range is a table function of the engine; register yours by another name")
		return
	}
	r.add(f, kind, impl)
}

var validName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// claim checks a name and the Go functions that are behind it.
func (r *Registry) claim(name, kind string, impls ...any) bool {
	if !validName.MatchString(name) {
		r.fail("the function name %q is not one of lower-case letters, digits and _", name)
		return false
	}
	if _, ok := expr.Builtins().Lookup(name); ok {
		r.fail("%s is a function of the engine; register yours by another name", name)
		return false
	}
	for _, f := range r.functions {
		if f.Name == name {
			r.fail("the function %s is registered twice", name)
			return false
		}
	}
	said := kind + " " + name
	for _, f := range impls {
		symbol, err := packageLevel(f)
		if err != nil {
			r.err = errors.Join(r.err, err)
			return false
		}
		said += fmt.Sprintf(" %s %T", symbol, f)
	}
	r.said = append(r.said, said)
	return true
}

// literal matches the symbols of function literals, method values and instances of
// generic functions, which the compiler makes literals of.
var literal = regexp.MustCompile(`\.func\d+|-fm$|\.gowrap\d+|glob\.\.`)

// packageLevel returns the symbol of a function, which must be package-level (F1).
func packageLevel(f any) (string, error) {
	v := reflect.ValueOf(f)
	if v.Kind() != reflect.Func || v.IsNil() {
		return "", diag.New(diag.InvalidArgument, "a value of type %T is no function", f)
	}
	at := runtime.FuncForPC(v.Pointer())
	if at == nil || literal.MatchString(at.Name()) {
		name := "a function of type " + v.Type().String()
		if at != nil {
			file, line := at.FileLine(v.Pointer())
			name = fmt.Sprintf("the function at %s:%d", file, line)
		}
		return "", diag.New(diag.InvalidArgument, "%s is not a package-level function: what it captures would differ between processes", name).
			WithRemedy("declare it with func at the top of a file, and pass what varies as arguments of the call")
	}
	return at.Name(), nil
}
