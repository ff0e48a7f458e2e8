package fs

import (
	"errors"
	iofs "io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
)

// maxAlternatives bounds what {a,b}{c,d}… multiplies to.
const maxAlternatives = 4096

func isGlob(path string) bool { return strings.ContainsAny(path, "*?[{") }

func badGlob(path, why string) error {
	return diag.New(diag.InvalidArgument, "the glob %s is not valid: %s", path, why).WithPath(path).WithRemedy(`put \ before a character that stands for itself`)
}

// expand lists the paths that match a glob, sorted, each once. Hidden names (F1)
// match only patterns that begin as they do.
func expand(path string) ([]string, error) {
	patterns, err := braces(path)
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, p := range patterns {
		dir := ""
		parts := strings.Split(p, "/")
		if strings.HasPrefix(p, "/") {
			dir, parts = "/", parts[1:]
		}
		for _, part := range parts {
			if _, err := filepath.Match(part, "x"); err != nil {
				return nil, badGlob(path, "a [ is not closed")
			}
		}
		if err := match(dir, parts, 0, found); err != nil {
			return nil, err
		}
	}
	out := make([]string, 0, len(found))
	for f := range found {
		out = append(out, f)
	}
	sort.Strings(out)
	return out, nil
}

// match adds the paths below dir that the parts of a pattern describe.
func match(dir string, parts []string, depth int, found map[string]bool) error {
	for len(parts) > 0 && parts[0] == "" { // a/ and a//b
		parts = parts[1:]
	}
	if len(parts) == 0 {
		found[dir] = true
		return nil
	}
	if depth > maxDepth {
		return nil
	}
	part, rest := parts[0], parts[1:]
	if part == "**" {
		for len(rest) > 0 && rest[0] == "**" { // as much as one
			parts, rest = rest, rest[1:]
		}
		if len(rest) == 0 {
			rest = []string{"*"}
		}
		if err := match(dir, rest, depth+1, found); err != nil {
			return err
		}
		entries, err := list(dir)
		if err != nil {
			return err
		}
		for _, e := range entries { // links are not followed, so this ends
			if e.IsDir() && !hidden(e.Name()) {
				if err := match(filepath.Join(dir, e.Name()), parts, depth+1, found); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if !isGlob(part) {
		p := filepath.Join(dir, strings.ReplaceAll(part, `\`, ""))
		if _, err := os.Stat(p); err != nil {
			if errors.Is(err, iofs.ErrPermission) {
				return Explain(err, p)
			}
			return nil
		}
		return match(p, rest, depth+1, found)
	}
	entries, err := list(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		ok, err := filepath.Match(part, name)
		if err != nil {
			return badGlob(part, err.Error())
		}
		if ok && (!hidden(name) || part[0] == name[0]) {
			if err := match(filepath.Join(dir, name), rest, depth+1, found); err != nil {
				return err
			}
		}
	}
	return nil
}

// list reads a directory; what is none has no entries.
func list(dir string) ([]os.DirEntry, error) {
	if dir == "" {
		dir = "."
	}
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		if errors.Is(err, iofs.ErrPermission) {
			return nil, Explain(err, dir)
		}
		return nil, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, Explain(err, dir)
	}
	return entries, nil
}

// braces expands {a,b} into one pattern per alternative.
func braces(path string) ([]string, error) {
	todo, done := []string{path}, []string(nil)
	for len(todo) > 0 {
		p := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		open, alternatives, end, err := firstBraces(p)
		if err != nil {
			return nil, badGlob(path, err.Error())
		}
		if open < 0 {
			done = append(done, p)
			continue
		}
		if len(todo)+len(done)+len(alternatives) > maxAlternatives {
			return nil, badGlob(path, "it has too many alternatives")
		}
		for _, a := range alternatives {
			todo = append(todo, p[:open]+a+p[end:])
		}
	}
	return done, nil
}

// firstBraces finds the first { of a pattern, its alternatives at that depth and
// the place behind its }; open is −1 if there is none.
func firstBraces(p string) (open int, alternatives []string, end int, err error) {
	open = -1
	depth, from, class := 0, 0, false
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
		case c == '{':
			if depth++; depth == 1 {
				open, from = i, i+1
			}
		case c == ',' && depth == 1:
			alternatives = append(alternatives, p[from:i])
			from = i + 1
		case c == '}' && depth > 0:
			if depth--; depth == 0 {
				return open, append(alternatives, p[from:i]), i + 1, nil
			}
		}
	}
	if depth > 0 {
		return open, nil, 0, errors.New("a { is not closed")
	}
	return -1, nil, 0, nil
}
