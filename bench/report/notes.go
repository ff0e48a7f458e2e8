package report

import (
	"fmt"
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
)

// Notes say in words what figures do not, by suite and query:
//
//	## tpch
//	- q09: the join's build side is … It would be won by …
//	## tpch 10
//	- q21: at this scale factor alone …
type Notes map[string]map[string]string

// parseNotes reads the text above. Lines that begin with a space continue a note;
// everything before the first heading is for the file's readers.
func parseNotes(text string) (Notes, error) {
	n := Notes{}
	suite, query := "", ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimRight(line, " \r")
		switch h, heading := strings.CutPrefix(line, "## "); {
		case heading:
			suite, query = strings.TrimSpace(h), ""
			if n[suite] == nil {
				n[suite] = map[string]string{}
			}
		case suite == "" || line == "":
		case strings.HasPrefix(line, " ") && query != "":
			n[suite][query] += " " + strings.TrimSpace(line)
		default:
			item, ok := strings.CutPrefix(line, "- ")
			q, words, ok2 := strings.Cut(item, ":")
			if !ok || !ok2 || strings.ContainsAny(q, " \t") {
				return nil, diag.New(diag.MalformedRecord, "line %d of the notes is no note: %q", i+1, line).WithRemedy("write it as \"- q09: text\"")
			}
			query = q
			n[suite][query] = strings.TrimSpace(words)
		}
	}
	return n, nil
}

// check refuses notes for queries that a suite does not have.
func (n Notes) check(runs []Run) error {
	for _, r := range runs {
		for _, key := range []string{r.Suite, r.key()} {
			for query := range n[key] {
				known := false
				for _, r := range runs {
					for _, q := range r.Queries {
						known = known || q.Name == query && (r.Suite == key || r.key() == key)
					}
				}
				if !known {
					return diag.New(diag.InvalidArgument, "the notes on %s have a query %s that no result has", key, query)
				}
			}
		}
	}
	return nil
}

// key is the heading of notes on one scale factor.
func (r Run) key() string { return fmt.Sprintf("%s %g", r.Suite, r.SF) }

// of returns the note on a query of a run.
func (n Notes) of(r Run, query string) string {
	if s := n[r.key()][query]; s != "" {
		return s
	}
	return n[r.Suite][query]
}
