package chaos

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// datagrams is a UDP socket of another process.
type datagrams struct {
	fd    int // a copy of its descriptor
	inode string
	port  uint16
}

// sever has everything lost that UDP sockets of a process and those of others send
// each other, of the sockets that there are now: whoever dials again gets through. It
// returns once a datagram was lost; undo ends it.
func sever(pid int, others []int) (undo func(), err error) {
	here, err := sockets(pid)
	var there []datagrams
	for _, p := range others {
		if p != pid && err == nil {
			var more []datagrams
			more, err = sockets(p)
			there = append(there, more...)
		}
	}
	all := slices.Concat(here, there)
	undo = func() {
		for _, s := range all {
			_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
			_ = unix.Close(s.fd)
		}
	}
	if err == nil && (len(here) == 0 || len(there) == 0) {
		err = errMissed
	}
	before := lost(all)
	for i, s := range all {
		from := here
		if i < len(here) {
			from = there
		}
		if err == nil {
			err = s.refuse(from)
		}
	}
	if err == nil && until(func() bool { return lost(all) > before }) != nil {
		err = errMissed // nothing was on its way
	}
	if err != nil {
		undo()
		return nil, err
	}
	return undo, nil
}

// sockets returns the UDP sockets of a process, none if it has ended.
func sockets(pid int) (out []datagrams, err error) {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, nil
	}
	defer unix.Close(pidfd)
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, f := range files {
		to, _ := os.Readlink(f)
		inode, ok := strings.CutPrefix(to, "socket:[")
		target, nerr := strconv.Atoi(filepath.Base(f))
		if !ok || nerr != nil {
			continue
		}
		fd, gerr := unix.PidfdGetfd(pidfd, target, 0)
		if gerr != nil {
			if gerr != unix.EBADF && gerr != unix.ESRCH { // else closed meanwhile
				err = fmt.Errorf("the descriptors of executors cannot be had: %w", gerr)
			}
			continue
		}
		s := datagrams{fd: fd, inode: strings.TrimSuffix(inode, "]")}
		if kind, kerr := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); kerr == nil && kind == unix.SOCK_DGRAM {
			switch at, _ := unix.Getsockname(fd); at := at.(type) {
			case *unix.SockaddrInet4:
				s.port = uint16(at.Port)
			case *unix.SockaddrInet6:
				s.port = uint16(at.Port)
			}
		}
		if s.port == 0 {
			_ = unix.Close(fd)
			continue
		}
		out = append(out, s)
	}
	return out, err
}

// The instructions of a filter: load a half word, compare, return.
const (
	load    = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
	compare = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	give    = unix.BPF_RET | unix.BPF_K
)

// refuse has the system drop what comes from these sockets. A filter sees datagrams
// from their header on, which begins with the port that they come from.
func (s datagrams) refuse(from []datagrams) error {
	code := []unix.SockFilter{{Code: load}}
	for _, f := range from {
		code = append(code, unix.SockFilter{Code: compare, Jf: 1, K: uint32(f.port)}, unix.SockFilter{Code: give})
	}
	code = append(code, unix.SockFilter{Code: give, K: 1<<32 - 1})
	err := unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
	if err != nil {
		return fmt.Errorf("what comes to a socket cannot be dropped: %w", err)
	}
	return nil
}

// lost is how many datagrams sockets have dropped.
func lost(of []datagrams) (n uint64) {
	for _, path := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		f, err := os.Open(path)
		if err != nil {
			continue // no IPv6
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			// sl, local, remote, st, queues, timer, retransmissions, uid, time-out, inode, references, address, drops
			row := strings.Fields(lines.Text())
			if len(row) == 13 && slices.ContainsFunc(of, func(s datagrams) bool { return s.inode == row[9] }) {
				d, _ := strconv.ParseUint(row[12], 10, 64)
				n += d
			}
		}
	}
	return n
}
