package harness

import (
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// tree returns a process and its descendants. Where there is no /proc it is the
// process alone.
func tree(pid int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		// The name, in parentheses, may hold anything; the parent comes second after it.
		f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || len(f) < 2 {
			continue
		}
		if parent, err := strconv.Atoi(f[1]); err == nil {
			children[parent] = append(children[parent], child)
		}
	}
	out := []int{pid}
	for i := 0; i < len(out); i++ {
		out = append(out, children[out[i]]...)
	}
	return out
}

// status sums a field of /proc/PID/status, given in kB, over processes: bytes.
func status(pids []int, field string) int64 {
	var sum int64
	for _, pid := range pids {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		if err != nil {
			continue
		}
		sum += kilobytes(string(b), field)
	}
	return sum
}

// Peak returns the most resident memory that a running process has had, in bytes; 0 is
// not known.
func Peak(pid int) int64 { return status([]int{pid}, "VmHWM") }

// kilobytes returns a field "NAME:  123 kB" of a text, in bytes, or 0.
func kilobytes(text, field string) int64 {
	_, rest, ok := strings.Cut(text, field+":")
	if !ok {
		return 0
	}
	f := strings.Fields(rest)
	if len(f) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(f[0], 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

// resetPeak starts the peak of resident memory anew for each of the processes;
// ok is false where that cannot be done.
func resetPeak(pids []int) (ok bool) {
	ok = true
	for _, pid := range pids {
		if err := os.WriteFile("/proc/"+strconv.Itoa(pid)+"/clear_refs", []byte("5"), 0); err != nil {
			ok = false
		}
	}
	return ok
}

// hertz is the unit of processor times in /proc, on every Linux.
const hertz = 100

// processor returns the seconds that processes, and children that they have
// waited for, have run.
func processor(pids []int) float64 {
	ticks := 0
	for _, pid := range pids {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			continue
		}
		f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		for i := 11; i < 15 && i < len(f); i++ { // utime, stime, cutime, cstime
			n, _ := strconv.Atoi(f[i])
			ticks += n
		}
	}
	return float64(ticks) / hertz
}

// ProcessorSeconds returns what this process and its descendants have run.
func ProcessorSeconds() float64 { return processor(tree(os.Getpid())) }

// Watch measures what other programs take of the machine.
type Watch struct {
	began     time.Time
	busy, own float64
}

// Watching begins to measure.
func Watching() Watch { return Watch{time.Now(), machineBusy(), ProcessorSeconds()} }

// Others returns the share of the machine's processor time that programs other than
// this process and its descendants have taken since.
func (w Watch) Others() float64 {
	took := machineBusy() - w.busy - (ProcessorSeconds() - w.own)
	return math.Max(0, math.Round(1000*took/(time.Since(w.began).Seconds()*float64(runtime.NumCPU())))/1000)
}

// machineBusy returns the seconds that all processors have worked since the
// machine started, 0 where that is not known.
func machineBusy() float64 {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	ticks := 0
	for i, f := range strings.Fields(line) {
		if i == 0 || i == 4 || i == 5 || i > 8 { // the name, idle, waiting for disks, guests (counted already)
			continue
		}
		n, _ := strconv.Atoi(f)
		ticks += n
	}
	return float64(ticks) / hertz
}
