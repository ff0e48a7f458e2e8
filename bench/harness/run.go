package harness

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/millrace-engine/millrace/internal/diag"
)

// Options say how to measure.
type Options struct {
	Threads int
	Memory  int64         // bytes that each engine may use; 0 is its own choice
	Runs    int           // measured runs of each query
	Budget  time.Duration // of all of it; 0 is none
	Limit   time.Duration // of one run of one query; 0 is none
	Queries []string      // names; none means all
	Scratch string        // an existing directory for temporary files
	Profile string        // an existing directory for profiles QUERY.pprof, of engines that take them; "" is none
	Command string        // as the user gave it, for the result
	// Progress is told what runs now, Done what a query came to. Either may be nil.
	Progress func(what string)
	Done     func(q QueryResult)
}

// spare is the part of the machine's memory that an engine may use before it is
// ended.
const spare = 0.85

// Run measures a suite. It fails if ctx ends, or if no engine opens; engines that
// do not open, and whatever else was left out, are in the notes.
func Run(ctx context.Context, s *Suite, engines []Engine, o Options) (*Result, error) {
	began := time.Now()
	r := &runner{o: o, res: &Result{Format: Format, Suite: s.Name, Title: s.Title, SF: s.SF, Data: s.Data, Bytes: s.Bytes, Threads: o.Threads, Memory: o.Memory,
		Runs: o.Runs, Command: o.Command, Started: began.UTC().Format(time.RFC3339), Machine: ThisMachine()}}
	watch := Watching()
	if o.Budget > 0 {
		r.end = began.Add(o.Budget)
	}
	queries, err := chosen(s, o.Queries)
	if err != nil {
		return nil, err
	}
	defer r.close()
	if err := r.open(ctx, s, engines); err != nil {
		return nil, err
	}
	for i, q := range queries {
		err := r.query(ctx, q)
		if ctx.Err() != nil {
			return nil, cancelled(ctx)
		}
		if errors.Is(err, errBudget) {
			var left []string
			for _, q := range queries[i:] {
				left = append(left, q.Name)
			}
			r.note("the budget of %s ended before %s had been measured in whole", o.Budget, join(left))
			break
		}
		if err != nil {
			return nil, err
		}
	}
	for i, e := range r.engines {
		info := EngineInfo{Name: e.engine.Name, Version: e.version, Settings: e.conf, Idle: r.idle[i]}
		for _, q := range r.res.Queries {
			info.RSS = max(info.RSS, q.Engines[info.Name].RSS)
		}
		r.res.Engines = append(r.res.Engines, info)
	}
	r.res.Others = watch.Others()
	r.res.Seconds = time.Since(began).Round(100 * time.Millisecond).Seconds()
	return r.res, nil
}

func cancelled(ctx context.Context) error {
	return diag.New(diag.Cancelled, "the benchmark was cancelled").WithCause(context.Cause(ctx)).WithRemedy("nothing was written")
}

func chosen(s *Suite, names []string) ([]Query, error) {
	if len(names) == 0 {
		return s.Queries, nil
	}
	var all []string
	var out []Query
	for _, q := range s.Queries {
		all = append(all, q.Name)
		if slices.Contains(names, q.Name) {
			out = append(out, q)
		}
	}
	for _, n := range names {
		if !slices.Contains(all, n) {
			return nil, diag.New(diag.InvalidArgument, "suite %s has no query %q", s.Name, n).WithRemedy("it has %s", join(all))
		}
	}
	return out, nil
}

func join(names []string) string {
	s := ""
	for i, n := range names {
		if i > 0 {
			s += ", "
		}
		s += n
	}
	return s
}

// errBudget says that the budget ended.
var errBudget = errors.New("the budget has ended")

type runner struct {
	o       Options
	res     *Result
	end     time.Time // of the budget; zero is none
	engines []*session
	idle    []int64 // resident bytes of each engine when it had opened
}

func (r *runner) note(format string, args ...any) {
	r.res.Notes = append(r.res.Notes, fmt.Sprintf(format, args...))
}

func (r *runner) progress(format string, args ...any) {
	if r.o.Progress != nil {
		r.o.Progress(fmt.Sprintf(format, args...))
	}
}

func (r *runner) close() {
	for _, e := range r.engines {
		e.close()
	}
}

// guard is how many bytes an engine may use.
func guard(m Machine) int64 { return int64(spare * float64(m.Memory)) }

// newSession makes an engine's scratch directory and its first request.
func newSession(e Engine, s *Suite, threads int, memory int64, scratch string, guard int64) (*session, error) {
	dir := filepath.Join(scratch, e.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, diag.New(diag.WriteFailed, "%s cannot be made: %v", dir, err).WithPath(dir)
	}
	return &session{engine: e, guard: guard, open: Request{Op: "open", Threads: threads, Memory: memory, Scratch: dir, Tables: s.Tables}}, nil
}

func (r *runner) open(ctx context.Context, s *Suite, engines []Engine) error {
	var last error
	for _, e := range engines {
		r.progress("opening %s", e.Name)
		x, err := newSession(e, s, r.o.Threads, r.o.Memory, r.o.Scratch, guard(r.res.Machine))
		if err != nil {
			return err
		}
		limited, cancel := r.limit(ctx)
		err = x.ready(limited)
		cancel()
		if ctx.Err() != nil {
			return cancelled(ctx)
		}
		if err != nil {
			last = err
			var d *diag.Error
			if errors.As(err, &d) {
				r.note("%s", d.Message)
			}
			continue
		}
		r.engines = append(r.engines, x)
		r.idle = append(r.idle, x.idle)
	}
	if len(r.engines) == 0 {
		return last
	}
	return nil
}

// limit bounds one run of one query.
func (r *runner) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	end := r.end
	if r.o.Limit > 0 {
		if l := time.Now().Add(r.o.Limit); end.IsZero() || l.Before(end) {
			end = l
		}
	}
	if end.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end)
}

// over reports whether work of an estimated time does not fit the budget.
func (r *runner) over(estimate time.Duration) bool {
	return !r.end.IsZero() && time.Now().Add(estimate).After(r.end)
}

// contender is one engine in one query.
type contender struct {
	s       *session
	first   *Reply // with rows, of the first warm-up
	m       Measure
	counted []*Runtime
	last    time.Duration
}

// query measures a query on every engine and adds it to the result. If the
// budget ends within, the query counts with the rounds that were whole, if there
// were any.
func (r *runner) query(ctx context.Context, q Query) error {
	list := make([]*contender, len(r.engines))
	over := false
	for i, s := range r.engines {
		c := &contender{s: s}
		list[i] = c
		for w := range max(1, s.engine.Warmups) {
			if c.m.Error != "" {
				break
			}
			r.progress("%s: %s, warm-up %d", q.Name, s.engine.Name, w+1)
			rep, err := r.run(ctx, c, q, w == 0, "")
			if ctx.Err() != nil {
				return err
			}
			if r.over(0) {
				return errBudget
			}
			if w == 0 {
				c.first = rep
			}
		}
	}
	judge(list, q.Ordered)
	rounds := 0
	for turn := range r.o.Runs {
		var estimate time.Duration
		for _, c := range list {
			estimate += c.last
		}
		if over = r.over(estimate); over {
			break
		}
		for i := range list {
			c := list[(i+turn)%len(list)] // nobody is always first
			if c.m.Error != "" {
				continue
			}
			r.progress("%s: %s, run %d of %d", q.Name, c.s.engine.Name, turn+1, r.o.Runs)
			rep, err := r.run(ctx, c, q, false, "")
			if ctx.Err() != nil {
				return err
			}
			if over = r.over(0); over {
				break
			}
			if rep != nil {
				c.m.MS, c.m.CPU = append(c.m.MS, round(rep.MS)), append(c.m.CPU, round(rep.CPU))
				c.counted = append(c.counted, rep.Runtime)
			}
		}
		if over {
			break
		}
		rounds++
	}
	if rounds > 0 {
		out := QueryResult{Name: q.Name, Title: q.Title, Engines: map[string]Measure{}}
		for _, c := range list {
			out.Engines[c.s.engine.Name] = c.measure(rounds)
		}
		r.res.Queries = append(r.res.Queries, out)
		if r.o.Done != nil {
			r.o.Done(out)
		}
	}
	if over {
		return errBudget
	}
	return r.profile(ctx, list, q)
}

// profile lets engines that take profiles write theirs, after everything of the
// query has been measured.
func (r *runner) profile(ctx context.Context, list []*contender, q Query) error {
	for _, c := range list {
		if r.o.Profile == "" || !c.s.engine.Profiles || c.m.Error != "" {
			continue
		}
		r.progress("%s: %s, profile", q.Name, c.s.engine.Name)
		if _, err := r.run(ctx, c, q, false, filepath.Join(r.o.Profile, q.Name+".pprof")); ctx.Err() != nil {
			return err
		}
		if c.m.Error != "" {
			r.note("%s has no profile of %s: %s", c.s.engine.Name, q.Name, c.m.Error)
		}
	}
	return nil
}

// run runs a query once. What went wrong is in the contender, for the report; an
// error too, for the caller, who looks at ctx.
func (r *runner) run(ctx context.Context, c *contender, q Query, rows bool, profile string) (*Reply, error) {
	req := Request{Op: "run", SQL: q.SQL, Rows: rows, Profile: profile}
	if sql, ok := q.Dialects[c.s.engine.Name]; ok {
		req.SQL = sql
	}
	if q.Convert != nil {
		req.Op, req.CSV, req.Columns = "convert", q.Convert.CSV, q.Convert.Columns
		req.Out = filepath.Join(r.o.Scratch, c.s.engine.Name, "converted")
	}
	limited, cancel := r.limit(ctx)
	defer cancel()
	start := time.Now()
	rep, u, err := c.s.call(limited, req)
	c.last = time.Since(start)
	c.m.RSS = max(c.m.RSS, u.peak)
	switch {
	case errors.Is(err, context.DeadlineExceeded) && r.over(0): // not the engine's fault
		return nil, err
	case errors.Is(err, context.DeadlineExceeded):
		c.m.Error = fmt.Sprintf("no answer within %s", r.o.Limit)
	case err != nil:
		c.m.Error = err.Error()
	case rep.Error != "":
		c.m.Error = rep.Error
	case c.first != nil && q.Convert == nil && rep.Count != c.first.Count:
		c.m.Error = fmt.Sprintf("%d rows, and %d in the run before", rep.Count, c.first.Count)
	}
	if c.m.Error != "" {
		return nil, err
	}
	return rep, nil
}

// judge compares the answers: the engine that most others agree with is right.
func judge(list []*contender, ordered bool) {
	var answered []*contender
	for _, c := range list {
		if c.m.Error == "" && c.first != nil {
			answered = append(answered, c)
		}
	}
	if len(answered) == 0 {
		return
	}
	right, most := answered[0], -1
	for _, a := range answered {
		agree := 0
		for _, b := range answered {
			if v := compare(b.first, a.first, ordered); v == Same || v == Near {
				agree++
			}
		}
		if agree > most {
			right, most = a, agree
		}
	}
	for _, c := range answered {
		c.m.Rows, c.m.Hash = c.first.Count, normalise(c.first, ordered).hash
		switch {
		case len(answered) == 1:
			c.m.Answer = Alone
		case c == right:
			c.m.Answer = Same
		default:
			c.m.Answer = compare(c.first, right.first, ordered)
			if c.m.Answer != Same && c.m.Answer != Near {
				c.m.Answer += " (" + right.s.engine.Name + ")"
			}
		}
	}
}

// measure sums up the runs of whole rounds.
func (c *contender) measure(rounds int) Measure {
	m := c.m
	if m.Error != "" {
		m.MS, m.CPU = nil, nil
		return m
	}
	m.MS, m.CPU = m.MS[:min(rounds, len(m.MS))], m.CPU[:min(rounds, len(m.CPU))]
	m.Median, m.MAD = round(Median(m.MS)), round(MAD(m.MS))
	m.Min, m.Max = slices.Min(m.MS), slices.Max(m.MS)
	best := 0
	for i := range m.MS {
		if math.Abs(m.MS[i]-m.Median) < math.Abs(m.MS[best]-m.Median) {
			best = i
		}
	}
	m.Runtime = c.counted[best]
	return m
}

// round cuts milliseconds to the microseconds that are kept.
func round(ms float64) float64 { return math.Round(ms*1000) / 1000 }
