package settings

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// available returns the bytes of memory that the process may use: the least limit
// of its control groups (version 2 or 1, which may nest), and of what the machine
// has. root is where its file system begins, for tests.
func available(root string) int64 {
	least := int64(0)
	take := func(n int64) {
		if n > 0 && n < 1<<50 && (least == 0 || n < least) { // unlimited is a word, or nearly 2^63
			least = n
		}
	}
	take(total(filepath.Join(root, "proc/meminfo")))
	groups, _ := os.ReadFile(filepath.Join(root, "proc/self/cgroup")) // without it: the groups at the top
	for _, line := range append(strings.Split(string(groups), "\n"), "0::/", "0:memory:/") {
		f := strings.SplitN(line, ":", 3)
		if len(f) != 3 {
			continue
		}
		dir, file := "", ""
		for _, c := range strings.Split(f[1], ",") {
			switch c {
			case "":
				dir, file = "sys/fs/cgroup", "memory.max"
			case "memory":
				dir, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
			}
		}
		for path := filepath.Clean("/" + f[2]); file != ""; path = filepath.Dir(path) {
			b, err := os.ReadFile(filepath.Join(root, dir, path, file))
			if err == nil {
				n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
				if err == nil {
					take(n)
				}
			}
			if path == "/" {
				break
			}
		}
	}
	if least == 0 {
		return 4 << 30
	}
	return least
}

// total reads the machine's memory, 0 if it cannot be told.
func total(file string) int64 {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(b), "\n") {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemTotal:" {
			n, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				return 0
			}
			return n << 10
		}
	}
	return 0
}
