package millrace

import (
	"context"
	"sort"
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/settings"
	"github.com/millrace-engine/millrace/plan/analyze"
	"github.com/millrace-engine/millrace/plan/logical"
)

func (s *Session) createView(ctx context.Context, v *logical.CreateView) (*DataFrame, error) {
	_, o, err := s.planning()
	if err != nil {
		return nil, err
	}
	if _, err := analyze.Analyze(ctx, v, o); err != nil {
		return nil, err
	}
	q := v.Query
	if v.Ref != nil {
		q = &logical.Relation{Ref: *v.Ref, Place: v.Place}
	}
	if len(v.Columns) > 0 {
		q = &logical.SubqueryAlias{Name: v.Name, Columns: v.Columns, Child: q}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := strings.ToLower(v.Name)
	if _, ok := s.views[name]; ok && !v.Replace {
		return nil, diag.NewAt(v.Place, diag.TableExists, "there is a view %s already", v.Name).WithRemedy("use CREATE OR REPLACE TEMP VIEW")
	}
	s.views[name] = q
	return s.table([]string{"result"}, nil), nil
}

func (s *Session) dropView(d *logical.DropView) (*DataFrame, error) {
	name := strings.ToLower(d.Name)
	s.mu.Lock()
	_, ok := s.views[name]
	delete(s.views, name)
	s.mu.Unlock()
	if !ok && !d.IfExists {
		return nil, diag.NewAt(d.Place, diag.TableNotFound, "there is no view %s", d.Name).WithRemedy("SHOW VIEWS lists them")
	}
	s.keeping.Lock()
	s.forget(func(x *persisted) bool { return x.name == name })
	s.keeping.Unlock()
	return s.table([]string{"result"}, nil), nil
}

func (s *Session) set(x *logical.Set) (*DataFrame, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows [][]string
	switch {
	case x.Reset:
		fresh := settings.Defaults()
		for _, k := range settings.All() {
			if (x.Key == "" || x.Key == k.Key) && !settings.Fixed(k.Key) {
				if err := s.conf.Put(k.Key, fresh.Get(k.Key).Text, "default"); err != nil {
					return nil, err
				}
			}
		}
	case x.HasValue:
		if settings.Fixed(x.Key) {
			return nil, diag.NewAt(x.Place, diag.InvalidSetting, "%s is fixed once a session runs", x.Key).WithRemedy("set it at the start: %s=…, or as an option", settings.EnvName(x.Key))
		}
		if err := s.conf.Put(x.Key, strings.Trim(x.Value, "'\""), "SET"); err != nil {
			if e, ok := err.(*diag.Error); ok {
				e.Pos = x.Place
			}
			return nil, err
		}
		rows = [][]string{{x.Key, s.conf.Get(x.Key).Text}}
	default:
		for _, k := range settings.All() {
			if x.Key == "" || x.Key == k.Key {
				rows = append(rows, []string{k.Key, s.conf.Get(k.Key).Text})
			}
		}
		if rows == nil {
			return nil, s.conf.Put(x.Key, "", "SET")
		}
	}
	return s.table([]string{"key", "value"}, rows), nil
}

func (s *Session) show(ctx context.Context, x *logical.Show) (*DataFrame, error) {
	if x.Kind == logical.ShowCache {
		return s.showCache(), nil
	}
	var names []string
	switch x.Kind {
	case logical.ShowTables, logical.ShowViews:
		s.mu.Lock()
		for n := range s.views {
			names = append(names, n)
		}
		s.mu.Unlock()
	case logical.ShowFunctions:
		s.mu.Lock()
		names = append(names, s.callable().Names()...)
		s.mu.Unlock()
	case logical.ShowSettings:
		for _, k := range settings.All() {
			names = append(names, k.Key)
		}
	case logical.ShowColumns:
		p, _, err := s.frame(x.Table).analyzed(ctx)
		if err != nil {
			return nil, err
		}
		for _, a := range p.Output() {
			names = append(names, a.Name)
		}
	}
	if x.Kind != logical.ShowColumns {
		sort.Strings(names)
	}
	var rows [][]string
	for _, n := range names {
		if x.Pattern == "" || matches(x.Pattern, n) {
			rows = append(rows, []string{n})
		}
	}
	return s.table([]string{"name"}, rows), nil
}

// matches tests a SHOW pattern: * and % stand for anything, | separates
// alternatives.
func matches(pattern, name string) bool {
	for _, p := range strings.Split(strings.ToLower(pattern), "|") {
		parts := strings.FieldsFunc(p, func(r rune) bool { return r == '*' || r == '%' })
		rest, ok := strings.ToLower(name), true
		for i, part := range parts {
			at := strings.Index(rest, part)
			if at < 0 || i == 0 && at > 0 && p[0] != '*' && p[0] != '%' {
				ok = false
				break
			}
			rest = rest[at+len(part):]
		}
		open := p == "" || p[len(p)-1] == '*' || p[len(p)-1] == '%'
		if ok && (open || rest == "") {
			return true
		}
	}
	return false
}

func (s *Session) describe(ctx context.Context, d *logical.Describe) (*DataFrame, error) {
	p, _, err := s.frame(d.Query).analyzed(ctx)
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, a := range p.Output() {
		null := ""
		if !a.Null {
			null = "not null"
		}
		rows = append(rows, []string{a.Name, a.Typ.String(), null})
	}
	return s.table([]string{"col_name", "data_type", "comment"}, rows), nil
}
