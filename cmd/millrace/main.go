// Command millrace runs SQL and benchmarks.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/internal/diag"
)

func main() {
	ctx := context.Background()
	s, err := millrace.Open(ctx, "")
	if err == nil {
		defer s.Close()
		var df *millrace.DataFrame
		if df, err = s.SQL(ctx, os.Args[1]); err == nil {
			var r *millrace.Result
			if r, err = df.Run(ctx); err == nil {
				fmt.Print(r.Table())
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, diag.Render(err, os.Args[1]))
		os.Exit(1)
	}
}
