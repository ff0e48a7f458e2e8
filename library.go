package millrace

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/millrace-engine/millrace/artifacts"
	"github.com/millrace-engine/millrace/artifacts/wasm"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/settings"
	"github.com/millrace-engine/millrace/plan/expr"
	"github.com/millrace-engine/millrace/plan/logical"
)

// callable returns the functions that statements may call now. The mu is held.
func (s *Session) callable() *expr.FunctionTable {
	return program.functions.Table().With(slices.Collect(maps.Values(s.functions))...)
}

// library finds a library of the session by NAME or NAME@HASH; one that it does not
// have is added if it is the path of a file.
func (s *Session) library(name string) (artifacts.ID, error) {
	find := func() (artifacts.ID, bool) {
		s.artifacts.mu.Lock()
		defer s.artifacts.mu.Unlock()
		plain, version, _ := strings.Cut(name, "@")
		for _, r := range slices.Backward(s.artifacts.refs) {
			if r.Kind == artifacts.Library && r.Name == plain && strings.HasPrefix(r.ID.String(), version) {
				return r.ID, true
			}
		}
		return artifacts.ID{}, false
	}
	if id, ok := find(); ok {
		return id, nil
	}
	if _, err := os.Stat(name); err != nil {
		return artifacts.ID{}, diag.New(diag.ArtifactFailed, "the session has no library %s", name).WithRemedy("add it: ADD LIBRARY 'path', or --artifact")
	}
	a, err := s.addArtifact(name, artifacts.Library)
	if err != nil {
		return artifacts.ID{}, err
	}
	return artifacts.ParseID(a.SHA256)
}

// createFunction carries out CREATE FUNCTION … USING LIBRARY. The function is the
// session's; its version of the library stays when another is added.
func (s *Session) createFunction(x *logical.CreateFunction) (*DataFrame, error) {
	if !program.main {
		return nil, diag.NewAt(x.Place, diag.Unsupported, "functions of libraries run in processes of this program, which has not called millrace.Main").
			WithRemedy("call millrace.Main first in main, and in TestMain in tests")
	}
	at := func(place diag.Pos, err error) error {
		var e *diag.Error
		if errors.As(err, &e) && e.Pos == 0 {
			e.Pos = place
		}
		return err
	}
	s.mu.Lock()
	conf := s.conf.Copy()
	_, exists := s.functions[x.Name]
	s.mu.Unlock()
	if _, own := program.functions.Table().Lookup(x.Name); own {
		return nil, diag.NewAt(x.Place, diag.InvalidArgument, "%s is a function already", x.Name).WithRemedy("create yours by another name: SYMBOL tells what the library calls it")
	}
	if exists && !x.Replace {
		return nil, diag.NewAt(x.Place, diag.InvalidArgument, "the function %s exists", x.Name).WithRemedy("write CREATE OR REPLACE FUNCTION")
	}
	id, err := s.library(x.Library)
	if err != nil {
		return nil, at(x.LibraryAt, err)
	}
	f, err := s.libraries.Function(wasm.Signature{Name: x.Name, Library: id, Export: x.Symbol, Params: x.Params, Result: x.Result, Nulls: x.Nulls,
		Memory: min(conf.Size(settings.FunctionMemory), 4<<30), Call: conf.Duration(settings.FunctionTime)})
	if err != nil {
		return nil, at(x.Place, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.functions[x.Name] = f
	return s.table([]string{"result"}, nil), nil
}

func (s *Session) dropFunction(x *logical.DropFunction) (*DataFrame, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.functions[x.Name]; !ok && !x.IfExists {
		return nil, diag.NewAt(x.Place, diag.UnresolvedRoutine, "the session has not created a function %s", x.Name)
	}
	delete(s.functions, x.Name)
	return s.table([]string{"result"}, nil), nil
}
