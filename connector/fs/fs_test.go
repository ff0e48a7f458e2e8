package fs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace-engine/millrace/internal/diag"
)

// tree makes files, each with its own path as content, and enters the directory.
func tree(t *testing.T, paths ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, p := range paths {
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(p), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func found(t *testing.T, path string) []string {
	t.Helper()
	fs, err := Find(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range fs {
		info, err := os.Stat(f.Path)
		if err != nil || info.Size() != f.Size {
			t.Errorf("%s: size %d, is %d: %v", f.Path, f.Size, info.Size(), err)
		}
		out = append(out, f.Path)
	}
	return out
}

func TestFind(t *testing.T) {
	tree(t, "a.csv", "b.tsv", "c.csv.gz", "d/a.csv", "d/_SUCCESS", "d/.a.csv.crc", "d/_temporary/0/x.csv", "d/e/f/b.csv",
		"p/_k=1/x.csv", "p/_k=2/y.csv", "odd/[x]{y}*.csv", "z/a.csv/part-0.csv")
	for _, test := range []struct {
		path string
		want string
	}{
		{"a.csv", "a.csv"},
		{"file://a.csv", "a.csv"},
		{"*.csv", "a.csv"},
		{"?.[a-c]sv", "a.csv"},
		{"?.[^a-c]sv", "b.tsv"},
		{"{a.csv,b.tsv}", "a.csv b.tsv"},
		{"{a,d/{a,e/f/b}}.csv", "a.csv d/a.csv d/e/f/b.csv"},
		{"d", "d/a.csv d/e/f/b.csv"},           // F1
		{"d/", "d/a.csv d/e/f/b.csv"},          // F1
		{"./d//*", "d/a.csv d/e/f/b.csv"},      // a matched directory is read too
		{"d/_temp*/*", "d/_temporary/0/x.csv"}, // named on purpose
		{"p", "p/_k=1/x.csv p/_k=2/y.csv"},
		{"p/_k=*/*.csv", "p/_k=1/x.csv p/_k=2/y.csv"},
		{"**/a.csv", "a.csv d/a.csv z/a.csv/part-0.csv"},
		{"**/b.csv", "d/e/f/b.csv"},
		{"d/**", "d/a.csv d/e/f/b.csv"},
		{"d/**/e/**/*.csv", "d/e/f/b.csv"},
		{"odd/[x]{y}*.csv", "odd/[x]{y}*.csv"}, // a file of that very name
		{`odd/\[x]\{y}\*.csv`, "odd/[x]{y}*.csv"},
	} {
		if d := cmp.Diff(strings.Fields(test.want), found(t, test.path)); d != "" {
			t.Errorf("%s: %s", test.path, d)
		}
	}
	abs, err := filepath.Abs("d")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{abs + "/a.csv"}, found(t, abs+"/*.csv")); d != "" {
		t.Error(d)
	}
}

// TestFindLinks follows links to files and directories, ends on loops and gives
// the size of what a link points to.
func TestFindLinks(t *testing.T) {
	tree(t, "far/data.csv", "d/a.csv")
	for _, l := range [][2]string{{"../far/data.csv", "d/link.csv"}, {"../far", "d/more"}, {"..", "d/loop"}} {
		if err := os.Symlink(l[0], l[1]); err != nil {
			t.Skip("no symbolic links here: ", err)
		}
	}
	got := found(t, "d")
	for _, want := range []string{"d/a.csv", "d/link.csv", "d/more/data.csv"} {
		if !strings.Contains(" "+strings.Join(got, " ")+" ", " "+want+" ") {
			t.Errorf("%s is missing in %v", want, got)
		}
	}
	if d := cmp.Diff([]string{"d/a.csv", "d/link.csv", "d/more/data.csv"}, found(t, "d/{a,link,more/*}.csv")); d != "" {
		t.Error(d)
	}
	if len(found(t, "**/*.csv")) < 3 {
		t.Error("too few")
	}
}

func TestFindErrors(t *testing.T) {
	tree(t, "lineitem.parquet", "orders.csv", "d/_SUCCESS", "secret/a.csv")
	if err := syscall.Mkfifo("pipe", 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path  string
		class diag.Class
		says  string
	}{
		{"lineitm.parquet", diag.PathNotFound, "did you mean lineitem.parquet"},
		{"lineitem", diag.PathNotFound, "did you mean lineitem.parquet"},
		{"./ordes.csv", diag.PathNotFound, "did you mean orders.csv"},
		{"nothing-like-it", diag.PathNotFound, "working directory"},
		{"orders.csv/x", diag.PathNotFound, "orders.csv/x"},
		{"*.json", diag.PathNotFound, "*.json"},
		{"**/x", diag.PathNotFound, "**/x"},
		{"d", diag.EmptyInput, "_ or ."},
		{"", diag.InvalidArgument, "empty"},
		{"a\x00b", diag.InvalidArgument, "zero"},
		{"[a", diag.InvalidArgument, "not closed"},
		{"{a,b", diag.InvalidArgument, "not closed"},
		{strings.Repeat("{a,b}", 20), diag.InvalidArgument, "too many"},
		{"s3://bucket/x", diag.Unsupported, "s3://bucket/x"},
		{"pipe", diag.Unsupported, "regular"}, // F2: opening it would wait for ever
	} {
		_, err := Find(test.path)
		if diag.ClassOf(err) != test.class || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%q: %v, want %s and %q", test.path, err, test.class, test.says)
		}
	}
	if os.Getuid() == 0 {
		return // root may read everything
	}
	if err := os.Chmod("secret", 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod("secret", 0o755)
	for _, p := range []string{"secret", "secret/*.csv", "secret/a.csv"} {
		if _, err := Find(p); diag.ClassOf(err) != diag.PathDenied {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func TestExplain(t *testing.T) {
	for _, test := range []struct {
		err         error
		read, write diag.Class
	}{
		{os.ErrNotExist, diag.PathNotFound, diag.WriteFailed},
		{&os.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, diag.PathDenied, diag.PathDenied},
		{syscall.EROFS, diag.CorruptFile, diag.PathDenied},
		{syscall.ENOSPC, diag.CorruptFile, diag.WriteFailed},
		{syscall.EMFILE, diag.CorruptFile, diag.WriteFailed},
		{diag.New(diag.Cancelled, "stopped"), diag.Cancelled, diag.Cancelled},
	} {
		if c := diag.ClassOf(Explain(test.err, "some/x")); c != test.read {
			t.Errorf("reading: %v became %s, want %s", test.err, c, test.read)
		}
		if c := diag.ClassOf(ExplainWrite(test.err, "some/x")); c != test.write {
			t.Errorf("writing: %v became %s, want %s", test.err, c, test.write)
		}
	}
	if Explain(nil, "x") != nil || ExplainWrite(nil, "x") != nil {
		t.Error("no error became one")
	}
	if e := Explain(syscall.EIO, "x"); !errors.Is(e, syscall.EIO) {
		t.Error("the cause is lost")
	}
}

// FuzzGlob: no pattern panics, hangs or gives an untyped error.
func FuzzGlob(f *testing.F) {
	for _, s := range []string{"*", "**/{a,b}", "[", "{", "}", `\`, "a{b{c,d},e}f", "**/**/**", "[!a]", "[{]},{]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if strings.HasPrefix(p, "/") || strings.Contains(p, "..") || strings.HasPrefix(p, "file:") {
			return // stay below the directory
		}
		tree(t, "a", "b/c")
		if _, err := Find(p); err != nil && diag.ClassOf(err) == "" {
			t.Errorf("%q: %v", p, err)
		}
	})
}
