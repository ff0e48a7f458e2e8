package tpch

import (
	"embed"
	"fmt"

	"github.com/millrace-engine/millrace/internal/diag"
)

//go:embed queries/*.sql
var queries embed.FS

// Queries is the number of queries; they are numbered from 1.
const Queries = 22

// Query returns the text of a query. q11's fraction is 0.0001 at every scale
// factor, as in the answers.
func Query(n int) (string, error) {
	b, err := queries.ReadFile(fmt.Sprintf("queries/q%02d.sql", n))
	if err != nil {
		return "", diag.New(diag.InvalidArgument, "TPC-H has no query %d", n).WithRemedy("queries are numbered from 1 to %d", Queries)
	}
	return string(b), nil
}
