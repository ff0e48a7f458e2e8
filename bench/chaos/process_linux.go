package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// supported is nil where faults can be made.
var supported error

// executors returns the processes that run executors and whose parent is one of
// these; nil: of all parents. Those that are stopped or have ended are not among
// them.
func executors(parents []int) (out []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		pid, err := strconv.Atoi(filepath.Base(d))
		if err != nil {
			continue
		}
		state, parent := stat(pid)
		if state == "" || strings.Contains("ZXTt", state) || parents != nil && !slices.Contains(parents, parent) {
			continue
		}
		env, err := os.ReadFile(d + "/environ") // of others: not readable
		if err == nil && slices.ContainsFunc(bytes.Split(env, []byte{0}), func(v []byte) bool { return string(v) == "MILLRACE_EXECUTOR=1" }) {
			out = append(out, pid)
		}
	}
	slices.Sort(out)
	return out
}

// stat returns the state of a process, one letter, "" if there is none, and its
// parent.
func stat(pid int) (state string, parent int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 2 {
		return "", 0
	}
	parent, _ = strconv.Atoi(f[1])
	return f[0], parent
}

// until waits a little for something to be so.
func until(is func() bool) error {
	for end := time.Now().Add(5 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return errors.New("it did not come to pass")
		}
	}
	return nil
}

// kill ends a process at once.
func kill(pid int) error {
	if syscall.Kill(pid, syscall.SIGKILL) != nil {
		return errMissed
	}
	return until(func() bool { s, _ := stat(pid); return s == "" || s == "Z" || s == "X" })
}

// stop stops a process; the function that it returns lets it go on.
func stop(pid int) (undo func(), err error) {
	if syscall.Kill(pid, syscall.SIGSTOP) != nil {
		return nil, errMissed
	}
	undo = func() { _ = syscall.Kill(pid, syscall.SIGCONT) } // it may have been killed meanwhile
	gone := false
	err = until(func() bool {
		s, _ := stat(pid)
		gone = s == "" || s == "Z" || s == "X"
		return gone || s == "T"
	})
	if gone {
		err = errMissed
	}
	return undo, err
}

// orphanless ends a process with the one that starts it.
func orphanless() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
