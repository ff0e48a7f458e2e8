package millrace_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/exec/event"
	"github.com/millrace-engine/millrace/shuffle/service"
	"github.com/millrace-engine/millrace/transport"
)

// traces is the variable that lets the executors of these tests fetch by a user's
// policy and codec, which leave traces in the directory that it names; damages says
// how many of the first chunks of each executor the codec damages.
const (
	traces  = "MILLRACE_TEST_TRACES"
	damages = "MILLRACE_TEST_DAMAGES"
)

// executorOptions are what TestMain gives to millrace.Main.
func executorOptions() []millrace.MainOption {
	dir := os.Getenv(traces)
	if dir == "" {
		return nil
	}
	t := &tracer{dir: dir}
	if n, err := strconv.ParseInt(os.Getenv(damages), 10, 64); err == nil {
		t.damage.Store(n)
	}
	return []millrace.MainOption{millrace.WithFetchPolicy(policy{t}), millrace.WithChunkCodec(inverted{t})}
}

// tracer leaves a file of each name that it is told, by process.
type tracer struct {
	dir    string
	once   sync.Map
	damage atomic.Int64 // chunks that are still to be damaged
}

func (t *tracer) told(name string) {
	if _, twice := t.once.LoadOrStore(name, true); !twice {
		_ = os.WriteFile(filepath.Join(t.dir, fmt.Sprint(name, "-", os.Getpid())), nil, 0o600) // its absence is told
	}
}

// policy lets all that is fetched go first.
type policy struct{ *tracer }

func (p policy) Urgency(f service.Fetch) transport.Urgency {
	if f.Job <= 0 || f.Blocks <= 0 || f.From == "" {
		p.told("nonsense")
	}
	p.told("urgency")
	return transport.Gating
}

func (p policy) Before(now time.Time, a, b transport.Ticket) bool {
	p.told("order")
	return transport.ByUrgency(now, a, b)
}

// inverted is a codec that inverts all bits of what the raw one makes.
type inverted struct{ *tracer }

func (c inverted) Name() string { return "inverted" }

func (c inverted) Append(dst []byte, b *columnar.Batch) ([]byte, error) {
	c.told("encode")
	from := len(dst)
	dst, err := service.Raw.Append(dst, b)
	for i := range dst[from:] {
		dst[from+i] ^= 0xff
	}
	if err == nil && c.damage.Add(-1) >= 0 {
		c.told("damage")
		dst[len(dst)-1] ^= 1
	}
	return dst, err
}

func (c inverted) Decode(data []byte, schema *columnar.Schema) (*columnar.Batch, error) {
	c.told("decode")
	own := slices.Clone(data)
	for i := range own {
		own[i] ^= 0xff
	}
	return service.Raw.Decode(own, schema)
}

// TestUsersFetching: executors fetch by a user's policy, and send chunks by a
// user's codec, and queries are answered as ever.
func TestUsersFetching(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(traces, dir)
	answerAll(t, openTPCH(t, "local-cluster[2,2,256]", millrace.WithSetting("transport", "quic")))
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, f := range files {
		name, _, _ := strings.Cut(f.Name(), "-")
		count[name]++
	}
	if count["urgency"] != 2 || count["encode"] != 2 || count["decode"] != 2 || count["nonsense"] > 0 {
		t.Errorf("the executors used %v", count)
	}
}

// TestDamagedChunks: chunks that arrive damaged, and do again, are output that is
// gone, through fetch, task, report and scheduler: it is made again, and queries are
// answered right.
func TestDamagedChunks(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(traces, dir)
	t.Setenv(damages, "6") // a chunk, its diagnosis, the chunk again, and what was sent meanwhile
	s := openTPCH(t, "local-cluster[2,1,256]")
	events, end := s.Events(1 << 16)
	answerAll(t, s)
	end()
	gone := 0
	for e := range events {
		if e.Kind == event.TaskEnded && strings.Contains(e.Error, "fetch failed") && strings.Contains(e.Error, "is damaged") {
			gone++
		}
	}
	if made, err := filepath.Glob(filepath.Join(dir, "damage-*")); err != nil || len(made) == 0 {
		t.Errorf("nothing was damaged: %v", err)
	}
	if gone == 0 {
		t.Error("no task failed because of it")
	}
}

// TestTinyAdmission: with room for 64 KiB in two requests every query is answered.
func TestTinyAdmission(t *testing.T) {
	var opts []millrace.Option
	for _, k := range []string{"task", "executor", "peer", "request"} {
		opts = append(opts, millrace.WithSetting("shuffle.fetch."+k, "64KiB"))
	}
	opts = append(opts, millrace.WithSetting("shuffle.fetch.streams", "2"), millrace.WithSetting("shuffle.serve.outstanding", "64KiB"))
	answerAll(t, openTPCH(t, "local-cluster[2,1,256]", opts...))
}
