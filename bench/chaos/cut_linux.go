package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cut shuts connections of a process: one of them, or with all every one. It
// returns how many it shut.
func cut(pid int, all bool, r *rand.Rand) (n int, err error) {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return 0, errMissed // it has ended
	}
	defer unix.Close(pidfd)
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0, errMissed
	}
	r.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	for _, f := range files {
		to, err := os.Readlink(dir + "/" + f.Name())
		target, nerr := strconv.Atoi(f.Name())
		if err != nil || nerr != nil || !strings.HasPrefix(to, "socket:") {
			continue
		}
		done, err := shut(pidfd, target)
		if err != nil {
			return n, err
		}
		if done {
			if n++; !all {
				return n, nil
			}
		}
	}
	if n == 0 {
		return 0, errMissed
	}
	return n, nil
}

// shut shuts a connection of another process by a copy of its descriptor. It is
// false if that is no connection.
func shut(pidfd, target int) (done bool, err error) {
	fd, err := unix.PidfdGetfd(pidfd, target, 0)
	if err != nil {
		if err == unix.EBADF || err == unix.ESRCH {
			return false, nil // closed meanwhile
		}
		return false, fmt.Errorf("the descriptors of executors cannot be had: %w", err)
	}
	defer unix.Close(fd)
	if kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_STREAM {
		return false, nil // QUIC has no connections that the system knows
	}
	if _, err := unix.Getpeername(fd); err != nil {
		return false, nil // it listens
	}
	return unix.Shutdown(fd, unix.SHUT_RDWR) == nil, nil
}
