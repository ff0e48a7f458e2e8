package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/millrace-engine/millrace/internal/settings"
)

func configCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "config",
		Short: "Print each setting with its value, origin and meaning",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			set, err := settings.Load()
			if err != nil {
				return err
			}
			if asJSON {
				var out []map[string]string
				for _, s := range settings.All() {
					v := set.Get(s.Key)
					out = append(out, map[string]string{"key": s.Key, "value": v.Text, "origin": v.Origin, "environment": settings.EnvName(s.Key), "meaning": s.Doc})
				}
				e := json.NewEncoder(os.Stdout)
				e.SetIndent("", "  ")
				return e.Encode(out)
			}
			w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, "KEY\tVALUE\tORIGIN\tMEANING")
			for _, s := range settings.All() {
				v := set.Get(s.Key)
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", s.Key, v.Text, v.Origin, s.Doc)
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return c
}

// version is set by the linker for releases.
var version = "development"

// fullVersion is the version with the revision that it was built from, if that is
// known.
func fullVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return version + " " + s.Value
			}
		}
	}
	return version
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Printf("millrace %s, %s, %s/%s\n", fullVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
