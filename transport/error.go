package transport

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
)

// Kind says what a failure means to whoever asked.
type Kind uint8

// The kinds.
const (
	Cancelled Kind = iota + 1 // one side cancelled the stream, with Code
	Lost                      // the connection broke: ask again, or another
	Refused                   // one side does not accept who or what the other is: do not ask again
	Closed                    // this side closed the connection or listener
)

func (k Kind) String() string {
	return [...]string{"?", "cancelled", "lost", "refused", "closed"}[min(k, Closed)]
}

// CodeContext is the code of streams whose context ended, CodeUnfinished of those
// whose handler returned too early. Codes from CodeUser on are the users'.
const (
	CodeContext    uint32 = 1
	CodeUnfinished uint32 = 2
	CodeUser       uint32 = 16
)

// Error is a failure of a connection or stream.
type Error struct {
	Kind  Kind
	Code  uint32 // of Cancelled; 0 if the peer could not tell
	Op    string // what was tried: dial, listen, open, read, write
	Peer  string // with whom, if known
	Cause error  // may be nil
}

// Error implements error.
func (e *Error) Error() string {
	s := "transport: " + e.Op
	if e.Peer != "" {
		s += " " + e.Peer
	}
	s += ": " + e.Kind.String()
	if e.Kind == Cancelled {
		s += fmt.Sprintf(" with code %d", e.Code)
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// KindOf returns the kind of a failure, 0 if it is none of a transport.
func KindOf(err error) Kind {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

// Silent reports whether a dial failed because nobody answered in time.
func Silent(err error) bool {
	var e *Error
	var timed net.Error
	return errors.As(err, &e) && e.Kind == Lost && e.Op == "dial" && errors.As(err, &timed) && timed.Timeout()
}

// Broken makes an error of the network one of the package. io.EOF, which only a
// CloseWrite may cause, becomes unexpected (T1).
func Broken(op, peer string, err error) error {
	if own := (*Error)(nil); errors.As(err, &own) {
		return err
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	kind := Lost
	if errors.Is(err, net.ErrClosed) {
		kind = Closed
	} else if errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) {
		kind = Refused
	}
	return &Error{Kind: kind, Op: op, Peer: peer, Cause: err}
}
