// Package diag holds the one error type that users see.
//
// Every failure that a user can cause or mend is a *diag.Error: a class from a
// closed vocabulary, a sentence that names the thing, the place in the SQL text
// when there is one, and the remedy. The type crosses process borders field by
// field; nothing is ever classified by looking into a message.
//
// It imports the standard library only and may be imported by every package.
package diag

import (
	"errors"
	"fmt"
	"strings"
)

// Class is the stable, searchable name of a kind of failure, in Spark's
// vocabulary where Spark has one.
type Class string

// The classes in use. Tests assert them; users search for them.
const (
	Syntax             Class = "PARSE_SYNTAX_ERROR"
	Unsupported        Class = "UNSUPPORTED_FEATURE"
	UnresolvedColumn   Class = "UNRESOLVED_COLUMN"
	FieldNotFound      Class = "FIELD_NOT_FOUND"
	UnresolvedRoutine  Class = "UNRESOLVED_ROUTINE"
	AmbiguousReference Class = "AMBIGUOUS_REFERENCE"
	TableNotFound      Class = "TABLE_OR_VIEW_NOT_FOUND"
	TableExists        Class = "TABLE_OR_VIEW_ALREADY_EXISTS"
	TypeMismatch       Class = "DATATYPE_MISMATCH"
	WrongArguments     Class = "WRONG_NUM_ARGS"
	MissingGroupBy     Class = "MISSING_AGGREGATION"
	InvalidQuery       Class = "INVALID_QUERY"
	InvalidLiteral     Class = "INVALID_TYPED_LITERAL"
	DivideByZero       Class = "DIVIDE_BY_ZERO"
	Overflow           Class = "ARITHMETIC_OVERFLOW"
	NumericOutOfRange  Class = "NUMERIC_VALUE_OUT_OF_RANGE"
	CastInvalid        Class = "CAST_INVALID_INPUT"
	CastOverflow       Class = "CAST_OVERFLOW"
	DatetimeOverflow   Class = "DATETIME_OVERFLOW"
	ScalarSubquery     Class = "SCALAR_SUBQUERY_TOO_MANY_ROWS"
	InvalidArrayIndex  Class = "INVALID_ARRAY_INDEX"
	InvalidArgument    Class = "INVALID_PARAMETER_VALUE"
	PathNotFound       Class = "PATH_NOT_FOUND"
	PathExists         Class = "PATH_ALREADY_EXISTS"
	PathDenied         Class = "PATH_ACCESS_DENIED"
	EmptyInput         Class = "UNABLE_TO_INFER_SCHEMA"
	CorruptFile        Class = "FAILED_READ_FILE"
	MalformedRecord    Class = "MALFORMED_RECORD"
	WriteFailed        Class = "TASK_WRITE_FAILED"
	UnknownSetting     Class = "UNKNOWN_SETTING"
	InvalidSetting     Class = "INVALID_SETTING"
	MemoryLimit        Class = "OUT_OF_MEMORY_BUDGET"
	SpillFailed        Class = "SPILL_FAILED"
	ShuffleDamaged     Class = "SHUFFLE_DAMAGED"
	ResultTooLarge     Class = "RESULT_TOO_LARGE"
	ResultLost         Class = "RESULT_LOST"
	ClusterFailed      Class = "CLUSTER_FAILED"
	FunctionFailed     Class = "FUNCTION_FAILED"
	ArtifactFailed     Class = "ARTIFACT_FAILED"
	Cancelled          Class = "OPERATION_CANCELED"
	Internal           Class = "INTERNAL_ERROR"
)

// Pos is a byte offset into the statement's text plus one; zero means that the
// thing has no place in a text (it came from the DataFrame API).
type Pos int32

// At returns the Pos of a byte offset.
func At(offset int) Pos { return Pos(offset + 1) }

// Offset returns the byte offset and whether there is one.
func (p Pos) Offset() (int, bool) { return int(p) - 1, p > 0 }

// Error is a failure with a class, a place and a remedy.
type Error struct {
	Class   Class
	Message string // one sentence, no final full stop, names the thing
	Remedy  string // what to do next; may be empty
	Pos     Pos    // place in the statement's text, if any
	Call    string // place in the program that built the query, as main.go:12, if any
	Path    string // file or directory concerned, if any; already named in Message
	Cause   error  // underlying error; does not cross process borders
}

// New returns an error without a place.
func New(class Class, format string, args ...any) *Error {
	return &Error{Class: class, Message: fmt.Sprintf(format, args...)}
}

// NewAt returns an error at a place in the statement's text.
func NewAt(pos Pos, class Class, format string, args ...any) *Error {
	return &Error{Class: class, Message: fmt.Sprintf(format, args...), Pos: pos}
}

// WithRemedy sets what the user can do about it and returns e.
func (e *Error) WithRemedy(format string, args ...any) *Error {
	e.Remedy = fmt.Sprintf(format, args...)
	return e
}

// WithPath sets the file concerned and returns e.
func (e *Error) WithPath(path string) *Error {
	e.Path = path
	return e
}

// WithCause sets the underlying error and returns e.
func (e *Error) WithCause(err error) *Error {
	e.Cause = err
	return e
}

// Error returns "[CLASS] place: message. remedy".
func (e *Error) Error() string {
	s := "[" + string(e.Class) + "] "
	if e.Call != "" {
		s += e.Call + ": "
	}
	s += e.Message
	if e.Remedy != "" {
		s += ". " + e.Remedy
	}
	return s
}

// Unwrap returns the underlying error.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is an *Error of the same class, so that
// errors.Is(err, &Error{Class: c}) asks for a class.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Class == e.Class && t.Message == ""
}

// ClassOf returns the class of the first *Error in err's chain, or "".
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return ""
}

// Render prints err as a terminal shows it: "error[CLASS]: message", then the
// line of sql with a caret under the place, then the remedy. sql may be empty.
func Render(err error, sql string) string { return RenderIn(err, sql, 0) }

// RenderIn is Render of an error in a statement that begins at an offset of a
// script.
func RenderIn(err error, script string, at int) string {
	var e *Error
	if !errors.As(err, &e) {
		return "error[" + string(Internal) + "]: " + err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "error[%s]: %s", e.Class, e.Message)
	if off, ok := e.Pos.Offset(); ok && at+off <= len(script) && script != "" {
		line, col, text := Locate(script, at+off)
		fmt.Fprintf(&b, "\n  at line %d, column %d", line, col)
		gutter := fmt.Sprintf("%d", line)
		shown := strings.ReplaceAll(text, "\t", " ")
		fmt.Fprintf(&b, "\n  %s | %s\n  %s | %s^", gutter, shown, strings.Repeat(" ", len(gutter)), strings.Repeat(" ", col-1))
	}
	if e.Call != "" {
		fmt.Fprintf(&b, "\n  at %s", e.Call)
	}
	if e.Remedy != "" {
		fmt.Fprintf(&b, "\n  hint: %s", e.Remedy)
	}
	return b.String()
}

// Locate returns the line and column (from 1, in characters) of a byte offset
// and the text of that line.
func Locate(text string, offset int) (line, column int, lineText string) {
	if offset > len(text) {
		offset = len(text)
	}
	start := strings.LastIndexByte(text[:offset], '\n') + 1
	end := strings.IndexByte(text[offset:], '\n')
	if end < 0 {
		end = len(text)
	} else {
		end += offset
	}
	return strings.Count(text[:start], "\n") + 1, len([]rune(text[start:offset])) + 1, strings.TrimRight(text[start:end], "\r")
}
