// Package arch tests the house: which folder may import which, which
// third-party modules a folder may use, and that packages say what they are.
package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/millrace-engine/millrace"

// arrows lists, per folder, what it may import of this module. internal/diag and
// internal/invariants are allowed everywhere; a folder includes what lies below it.
var arrows = map[string][]string{
	"columnar":          {"columnar"},
	"plan/expr":         {"columnar", "plan/expr"},
	"plan/eval":         {"columnar", "plan/expr", "plan/catalog"},
	"plan/catalog":      {"columnar", "plan/expr", "plan/catalog"},
	"plan/logical":      {"columnar", "plan/expr", "plan/catalog"},
	"plan":              {"columnar", "plan"},
	"shuffle":           {"columnar"},
	"cache":             {"cache", "columnar"},
	"connector/fs":      {},
	"connector/parquet": {"columnar", "plan/catalog", "plan/expr", "plan/eval", "plan/logical", "connector", "cache/front"},
	"connector":         {"columnar", "plan/catalog", "plan/expr", "plan/eval", "plan/logical", "connector"},
	"connector/mrs":     {"columnar", "plan/catalog", "plan/eval", "connector", "shuffle/file"},
	"connector/files":   {"columnar", "connector", "cache/front"},
	"exec/driver/dag":   {},
	"exec/driver/task":  {"exec"},
	"exec/event":        {},
	"exec/status":       {"exec/event"},
	"exec/tempdir":      {"internal/filelock"},
	"exec/ui":           {"exec/event", "exec/status", "exec/cluster/standalone"},
	"exec":              {"columnar", "plan", "shuffle", "cache", "connector", "exec"},
	"exec/cluster":      {"columnar", "plan", "shuffle", "cache", "connector", "exec", "transport", "internal/identity", "artifacts"},
	"shuffle/file":      {"columnar", "shuffle"},
	"shuffle/service":   {"columnar", "cache", "shuffle", "transport", "internal/identity"},
	"bench":             {"columnar", "connector", "bench"},
	"functions":         {},
	"functions/gen":     {"columnar", "plan/expr"},
	"bench/kernels":     {"columnar", "plan", "connector", "exec", "bench"},
	"bench/shuffle":     {"columnar", "plan", "connector", "exec", "bench", "cache", "shuffle", "transport", "internal/identity"},
	"internal/filelock": {},
	"internal/golden":   {},
	"internal/settings": {},
	"internal/shell":    {"plan/sql"},
	"internal/identity": {},
	"transport":         {"transport", "internal/identity"},

	"artifacts":          {"artifacts", "transport", "connector/fs", "internal/identity", "internal/filelock"},
	"artifacts/function": {"columnar", "plan/expr"},
	"artifacts/wasm":     {"artifacts", "columnar", "plan/expr"},
	"artifacts/database": {"artifacts"},
	"examples":           {"artifacts/database"},
}

// modules lists the third-party modules that a folder may use.
var modules = map[string][]string{
	".":                 {"github.com/apache/arrow-go/v18"},
	"cache/front":       {"github.com/dgraph-io/ristretto/v2"},
	"shuffle/service":   {"github.com/cespare/xxhash/v2"},
	"bench/chaos":       {"golang.org/x/sys/unix"},
	"artifacts":         {"github.com/klauspost/compress/zstd"},
	"artifacts/wasm":    {"github.com/tetratelabs/wazero"},
	"bench/shuffle":     {"github.com/pierrec/lz4/v4", "github.com/quic-go/quic-go"},
	"columnar/memory":   {"golang.org/x/sys/unix"},
	"columnar/chunk":    {"github.com/cespare/xxhash/v2", "github.com/pierrec/lz4/v4"},
	"shuffle/file":      {"github.com/cespare/xxhash/v2"},
	"columnar/ipc":      {"github.com/apache/arrow-go/v18"},
	"connector/ipc":     {"github.com/apache/arrow-go/v18", "github.com/klauspost/compress/zstd", "github.com/pierrec/lz4/v4"},
	"plan/wire":         {"google.golang.org/protobuf"},
	"exec":              {"google.golang.org/protobuf"},
	"connector/lines":   {"github.com/klauspost/compress/zstd"},
	"connector/parquet": {"github.com/andybalholm/brotli", "github.com/cespare/xxhash/v2", "github.com/klauspost/compress/gzip", "github.com/klauspost/compress/snappy", "github.com/klauspost/compress/zstd", "github.com/parquet-go/parquet-go", "github.com/pierrec/lz4/v4", "golang.org/x/sys/cpu"},
	"internal/golden":   {"github.com/google/go-cmp/cmp"},
	"internal/settings": {"github.com/BurntSushi/toml"},
	"internal/shell":    {"golang.org/x/term"},
	"transport/quic":    {"github.com/quic-go/quic-go"},
	"cmd/millrace":      {"github.com/spf13/cobra", "golang.org/x/term"},
}

func under(p, folder string) bool { return p == folder || strings.HasPrefix(p, folder+"/") }

// rule returns the entry of the longest folder that holds a package.
func rule(m map[string][]string, pkg string) ([]string, bool) {
	best := ""
	for f := range m {
		if under(pkg, f) && len(f) > len(best) {
			best = f
		}
	}
	return m[best], best != ""
}

func TestImports(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	packages := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(rel)
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		if _, seen := documented[pkg]; !seen {
			packages++
		}
		documented[pkg] = documented[pkg] || f.Doc != nil
		if strings.HasSuffix(path, "_test.go") {
			return nil
		}
		if n := strings.Count(string(src), "\n"); n > 700 {
			t.Errorf("%s has %d lines; split it", rel+"/"+d.Name(), n)
		}
		for _, i := range f.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			if in, ok := strings.CutPrefix(p, module+"/"); ok {
				allowed, constrained := rule(arrows, pkg)
				fine := !constrained || in == "internal/diag" || in == "internal/invariants"
				for _, a := range allowed {
					fine = fine || under(in, a)
				}
				if !fine {
					t.Errorf("%s imports %s, which its folder may not", pkg, in)
				}
				continue
			}
			if p == module || !strings.Contains(strings.Split(p, "/")[0], ".") {
				continue
			}
			allowed, _ := rule(modules, pkg)
			fine := false
			for _, m := range allowed {
				fine = fine || under(p, m)
			}
			if !fine {
				t.Errorf("%s uses %s, which its folder may not", pkg, p)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if packages < 20 {
		t.Fatalf("only %d packages were looked at", packages)
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("package %s has no package documentation", pkg)
		}
	}
}
