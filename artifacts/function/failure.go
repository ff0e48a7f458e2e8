package function

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
)

// panicked makes an error of what a function panicked with (F4): it names the
// function, what it was given and its line. It is called by the deferred function
// that recovered, while the stack is still that of the panic.
func panicked(name string, value any, given string) error {
	what := fmt.Sprint(value)
	if e, ok := value.(error); ok {
		var d *diag.Error
		if errors.As(e, &d) {
			return d
		}
		what = e.Error()
	}
	e := diag.New(diag.FunctionFailed, "the function %s failed%s: %s", name, given, what).
		WithRemedy("the function is the program's own; correct it, or what it is given")
	e.Call = line()
	return e
}

// line is where the panic that is being recovered happened: the first frame below
// the runtime's own.
func line() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	inPanic := false
	for {
		f, more := frames.Next()
		if strings.HasPrefix(f.Function, "runtime.") {
			inPanic = true
		} else if inPanic {
			return fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line)
		}
		if !more {
			return ""
		}
	}
}

// longest is how much of a value an error shows.
const longest = 80

// shown prints the arguments of a call for an error.
func shown(args ...any) string {
	parts := make([]string, len(args))
	for i, a := range args {
		text := fmt.Sprint(a)
		if s, ok := a.(string); ok {
			text = fmt.Sprintf("%q", s)
		}
		if len(text) > longest {
			text = text[:longest] + "…"
		}
		parts[i] = text
	}
	return " for " + strings.Join(parts, ", ")
}
