package records

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/connector/fs"
)

// Memo remembers inferred schemas, because a query is analyzed more than once and
// inferring reads everything. An entry holds as long as files and options are the
// same, modification times included. The zero value is ready; it is safe for
// concurrent use.
type Memo struct {
	mu      sync.Mutex
	schemas map[string]*columnar.Schema
}

// maxMemo bounds the entries.
const maxMemo = 256

// Schema returns what infer does, or did.
func (m *Memo) Schema(files []fs.File, options map[string]string, infer func() (*columnar.Schema, error)) (*columnar.Schema, error) {
	key, err := json.Marshal(options) // its keys are sorted
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		info, err := os.Stat(f.Path)
		if err != nil {
			return nil, fs.Explain(err, f.Path)
		}
		key = fmt.Appendf(key, "%s\x00%d\x00%d\x00", f.Path, info.Size(), info.ModTime().UnixNano())
	}
	m.mu.Lock()
	s := m.schemas[string(key)]
	m.mu.Unlock()
	if s != nil {
		return s, nil
	}
	if s, err = infer(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.schemas == nil || len(m.schemas) >= maxMemo {
		m.schemas = map[string]*columnar.Schema{}
	}
	m.schemas[string(key)] = s
	return s, nil
}

// Survey looks at all ranges of files, as many at once as there are processors:
// each of the workers that begin makes looks at one range after the other. It
// returns when all are done; errors are those of the first worker that has one.
func Survey[W any](ctx context.Context, files []fs.File, whole bool, begin func() W, look func(context.Context, W, Range) error) ([]W, error) {
	var parts []Range
	for _, f := range files {
		parts = append(parts, Ranges(f, whole)...)
	}
	n := min(runtime.GOMAXPROCS(0), len(parts))
	workers, errs := make([]W, n), make([]error, n)
	var next atomic.Int64
	var group sync.WaitGroup
	for w := range n {
		workers[w] = begin()
		group.Go(func() {
			for errs[w] == nil {
				i := next.Add(1) - 1
				if i >= int64(len(parts)) {
					return
				}
				errs[w] = look(ctx, workers[w], parts[i])
			}
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return workers, nil
}
