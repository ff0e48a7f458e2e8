// Package engine answers the benchmark harness with Millrace: the process that
// is measured beside its rivals' processes.
//
//	lines of JSON ─► Serve ─► millrace.Session ─► lines of JSON
//
// It uses the public API only, as a user's program does, and renders rows after
// the time has been taken. The operations are documented in bench/harness. Its
// tests drive it through the harness and by itself.
package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/harness"
	"github.com/millrace-engine/millrace/internal/diag"
)

// Serve answers requests until the end of the input. version is what it tells
// of itself; opts are options of the session besides memory.
func Serve(ctx context.Context, in io.Reader, out io.Writer, version string, opts ...millrace.Option) error {
	s := &server{version: version, opts: opts}
	defer s.close()
	lines := bufio.NewReaderSize(in, 1<<16)
	enc := json.NewEncoder(out)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		var r harness.Request
		rep := &harness.Reply{}
		if err := json.Unmarshal(line, &r); err != nil {
			rep.Error = "the request cannot be read: " + err.Error()
		} else if rep, err = s.answer(ctx, r); err != nil {
			rep = &harness.Reply{Error: err.Error()}
		}
		if err := enc.Encode(rep); err != nil {
			return err
		}
	}
}

type server struct {
	version string
	opts    []millrace.Option
	session *millrace.Session
}

func (s *server) close() {
	if s.session != nil {
		s.session.Close()
	}
}

func (s *server) answer(ctx context.Context, r harness.Request) (*harness.Reply, error) {
	if s.session == nil && r.Op != "open" {
		return nil, diag.New(diag.InvalidArgument, "the operation %q needs an open session", r.Op)
	}
	if r.Profile != "" {
		return s.profile(ctx, r)
	}
	switch r.Op {
	case "open":
		return s.open(ctx, r)
	case "run":
		return s.run(ctx, r)
	case "convert":
		return s.convert(ctx, r)
	}
	return nil, diag.New(diag.InvalidArgument, "there is no operation %q", r.Op)
}

func (s *server) open(ctx context.Context, r harness.Request) (*harness.Reply, error) {
	s.close()
	runtime.GOMAXPROCS(max(1, r.Threads)) // the collector too keeps to the threads of the run
	master := fmt.Sprintf("local[%d]", max(1, r.Threads))
	conf := map[string]string{"master": master, "GOMAXPROCS": strconv.Itoa(max(1, r.Threads))}
	opts := append(s.opts[:len(s.opts):len(s.opts)], millrace.WithSetting("driver.collect.limit", "1TiB")) // the memory bounds it
	if r.Memory > 0 {
		conf["memory"] = fmt.Sprintf("%dKiB", r.Memory>>10)
		opts = append(opts[:len(opts):len(opts)], millrace.WithSetting("memory", conf["memory"]))
	}
	var err error
	if s.session, err = millrace.Open(ctx, master, opts...); err != nil {
		return nil, err
	}
	for name, path := range r.Tables {
		if err := s.session.Read().Parquet(path).CreateOrReplaceTempView(ctx, name); err != nil {
			return nil, err
		}
	}
	return &harness.Reply{Version: s.version, Settings: conf}, nil
}

// collect computes a query, all rows of it.
func (s *server) collect(ctx context.Context, sql string) (*millrace.Result, error) {
	df, err := s.session.SQL(ctx, sql)
	if err != nil {
		return nil, err
	}
	r, err := df.Run(ctx)
	if err != nil {
		return nil, err
	}
	return r, r.Fetch()
}

func (s *server) run(ctx context.Context, r harness.Request) (*harness.Reply, error) {
	var res *millrace.Result
	rep, err := timed(func() (err error) { res, err = s.collect(ctx, r.SQL); return err })
	if err != nil {
		return nil, err
	}
	for _, st := range res.Stats().Stages {
		for _, o := range st.Operators {
			rep.Runtime.Operators++
			rep.Runtime.Batches += o.Batches
		}
	}
	rep.Count = int64(res.Len())
	if r.Rows {
		rows(res, rep)
	}
	return rep, nil
}

// convert writes a CSV file as Parquet. If rows are asked for it then answers a
// query over what it wrote.
func (s *server) convert(ctx context.Context, r harness.Request) (*harness.Reply, error) {
	if err := os.RemoveAll(r.Out); err != nil {
		return nil, diag.New(diag.WriteFailed, "%s cannot be removed: %v", r.Out, err).WithPath(r.Out)
	}
	var ddl []string
	for _, c := range r.Columns {
		ddl = append(ddl, c.Name+" "+strings.Replace(c.Type, "VARCHAR", "STRING", 1))
	}
	rep, err := timed(func() error {
		df := s.session.Read().Option("header", "true").Schema(strings.Join(ddl, ", ")).CSV(r.CSV)
		return df.Write().Option("compression", "snappy").Parquet(ctx, r.Out)
	})
	if err != nil {
		return nil, err
	}
	rep.Runtime = nil // the operators of a write are not told
	if r.Rows {
		if err := s.session.Read().Parquet(filepath.Clean(r.Out)).CreateOrReplaceTempView(ctx, "converted"); err != nil {
			return nil, err
		}
		res, err := s.collect(ctx, r.SQL)
		if err != nil {
			return nil, err
		}
		rep.Count = int64(res.Len())
		rows(res, rep)
	}
	return rep, nil
}

// profileTime is how long the work of a profile is repeated: 300 samples of each
// thread.
const profileTime = 3 * time.Second

// profile repeats the work of a request and writes a processor profile of it.
func (s *server) profile(ctx context.Context, r harness.Request) (*harness.Reply, error) {
	f, err := os.Create(r.Profile)
	if err != nil {
		return nil, diag.New(diag.WriteFailed, "%s cannot be written: %v", r.Profile, err).WithPath(r.Profile)
	}
	defer f.Close()
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, diag.New(diag.Internal, "the profile cannot be taken: %v", err)
	}
	defer pprof.StopCPUProfile()
	r.Profile = ""
	for start := time.Now(); ; {
		rep, err := s.answer(ctx, r)
		if err != nil || time.Since(start) > profileTime {
			return rep, err
		}
	}
}

// rows renders a result of rep.Count rows, or the sample of a large one.
func rows(res *millrace.Result, rep *harness.Reply) {
	for _, f := range res.Schema.Fields {
		rep.Columns = append(rep.Columns, harness.Column{Name: f.Name, Type: f.Type.String()})
	}
	places := harness.Places(rep.Count)
	rep.Sampled = places != nil
	at := int64(0)
	_ = res.Each(func(values []string, null []bool) error { // f never fails
		wanted := places == nil
		for ; len(places) > 0 && places[0] == at; places = places[1:] {
			wanted = true
		}
		at++
		if !wanted {
			return nil
		}
		row := make([]*string, len(values))
		for i, v := range values {
			if !null[i] {
				row[i] = &v
			}
		}
		rep.Rows = append(rep.Rows, row)
		return nil
	})
}

// timed runs f and says what it took.
func timed(f func() error) (*harness.Reply, error) {
	before := counters()
	cpu, start := processor(), time.Now()
	if err := f(); err != nil {
		return nil, err
	}
	rep := &harness.Reply{MS: float64(time.Since(start).Nanoseconds()) / 1e6, CPU: processor() - cpu}
	after := counters()
	rep.Runtime = &harness.Runtime{GC: (after.gc - before.gc) * 1e3, Busy: (after.busy - before.busy) * 1e3, Allocs: after.objects - before.objects, Bytes: after.bytes - before.bytes}
	return rep, nil
}

// processor returns the time that the process' threads have run, in ms.
func processor() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
}

type counts struct {
	gc, busy       float64 // seconds of processor time
	objects, bytes int64
}

func counters() counts {
	s := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/gc/heap/allocs:objects"}, {Name: "/gc/heap/allocs:bytes"},
		{Name: "/cpu/classes/total:cpu-seconds"}, {Name: "/cpu/classes/idle:cpu-seconds"}}
	metrics.Read(s)
	return counts{s[0].Value.Float64(), s[3].Value.Float64() - s[4].Value.Float64(), int64(s[1].Value.Uint64()), int64(s[2].Value.Uint64())}
}
