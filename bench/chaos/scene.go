package chaos

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/bench/tpch"
	"github.com/millrace-engine/millrace/internal/diag"
)

// scene is a cluster on which one sort of fault is played.
type scene struct {
	Options
	c *cluster
}

// play makes a cluster for f and takes it away again.
func play(ctx context.Context, o Options, f func(*scene) error) (err error) {
	if supported != nil {
		return diag.New(diag.InvalidArgument, "%v", supported)
	}
	x := &scene{Options: o}
	if x.c, err = newCluster(ctx, o); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.c.close()) }()
	return f(x)
}

// session opens a session with the tables, for f.
func (x *scene) session(ctx context.Context, f func(*millrace.Session, *watch) error, more ...millrace.Option) error {
	s, err := x.c.open(ctx, plain, slices.Concat(x.Settings, more)...)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := views(ctx, s, x.Data); err != nil {
		return err
	}
	w := newWatch(s)
	defer w.end()
	return f(s, w)
}

// rows returns the rows of a query of TPC-H, sorted, as text, and how long it took.
func rows(ctx context.Context, s *millrace.Session, q int) (out []string, took time.Duration, err error) {
	text, err := tpch.Query(q)
	if err != nil {
		return nil, 0, err
	}
	start := time.Now()
	df, err := s.SQL(ctx, text)
	if err != nil {
		return nil, 0, err
	}
	res, err := df.Run(ctx)
	if err == nil {
		err = res.Fetch()
	}
	if took = time.Since(start); err != nil {
		return nil, took, err
	}
	err = res.Each(func(v []string, _ []bool) error { out = append(out, strings.Join(v, "|")); return nil })
	slices.Sort(out)
	return out, took, err
}

// collect returns the rows of a query.
func collect(ctx context.Context, s *millrace.Session, sql string) ([]millrace.Row, error) {
	df, err := s.SQL(ctx, sql)
	if err != nil {
		return nil, err
	}
	return df.Collect(ctx)
}
