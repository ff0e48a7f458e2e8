package settings

import (
	"os"
	"path/filepath"
	"testing"
)

// The budget follows the tightest limit: of the process's control group, of those
// around it, of the machine.
func TestAvailable(t *testing.T) {
	const meminfo = "MemTotal:       8388608 kB\nMemFree: 1 kB\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing known":              {map[string]string{}, 4 << 30},
		"no groups":                  {map[string]string{"proc/meminfo": meminfo}, 8 << 30},
		"container":                  {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n"}, 1 << 30},
		"unlimited":                  {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 8 << 30},
		"more than it has":           {map[string]string{"proc/meminfo": meminfo, "sys/fs/cgroup/memory.max": "1099511627776\n"}, 8 << 30},
		"nested":                     {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.max": "536870912", "sys/fs/cgroup/a/b/memory.max": "1073741824"}, 512 << 20},
		"version 1":                  {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "5:cpu:/x\n4:blkio,memory:/job/7\n", "sys/fs/cgroup/memory/job/7/memory.limit_in_bytes": "268435456", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712"}, 256 << 20},
		"version 1 seen from inside": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "4:memory:/docker/7\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456"}, 256 << 20},
	} {
		root := t.TempDir()
		for f, text := range c.files {
			f = filepath.Join(root, f)
			if err := os.MkdirAll(filepath.Dir(f), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(f, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := available(root); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
