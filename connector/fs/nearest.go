package fs

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
)

// maxSiblings bounds how many names are looked at for a suggestion.
const maxSiblings = 2000

// nearest returns the path beside a missing one whose name is the most like its
// own, or "" if none is.
func nearest(path string) string {
	dir, name := filepath.Split(filepath.Clean(path))
	if len(name) > 200 {
		return ""
	}
	at := dir
	if at == "" {
		at = "."
	}
	d, err := os.Open(at)
	if err != nil {
		return ""
	}
	defer d.Close()
	names, _ := d.Readdirnames(maxSiblings) // what could be read will do
	best, least := "", len(name)/3+1
	for _, n := range names {
		if hidden(n) || len(n) > 200 {
			continue
		}
		k := diag.Slips(name, n)
		if stem(n) == strings.ToLower(name) || stem(name) == strings.ToLower(n) { // the ending alone differs
			k = min(k, 1)
		}
		if k < least || k == least && best != "" && n < best {
			best, least = n, k
		}
	}
	if best == "" {
		return ""
	}
	return dir + best
}

func stem(name string) string {
	return strings.ToLower(strings.TrimSuffix(name, filepath.Ext(name)))
}
