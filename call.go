package millrace

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
)

// own are the packages whose frames are not the user's.
var own = []string{"github.com/millrace-engine/millrace.", "github.com/millrace-engine/millrace/functions."}

// caller returns the line of the program that called into this package, as
// "main.go:12": relative to the working directory where it lies below it.
func caller() string {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
next:
	for {
		f, more := frames.Next()
		for _, p := range own {
			if strings.HasPrefix(f.Function, p) && more {
				continue next
			}
		}
		file := f.File
		if dir, err := os.Getwd(); err == nil {
			if rel, err := filepath.Rel(dir, file); err == nil && filepath.IsLocal(rel) {
				file = rel
			}
		}
		return fmt.Sprintf("%s:%d", file, f.Line)
	}
}

// at gives an error the place of the call that caused it. A place in the text of
// an expression means nothing to somebody who sees only the program.
func at(call string, err error) error {
	var e *diag.Error
	if call == "" || !errors.As(err, &e) || e.Call != "" {
		return err
	}
	d := *e
	d.Call, d.Pos = call, 0
	return &d
}
