package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/millrace-engine/millrace/exec/ui"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/settings"
)

func historyCommand() *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use:   "history [DIR]",
		Short: "Show what applications did, by the event logs that they wrote",
		Long: `Show what applications did: jobs, stages, tasks, operators and executors, as the pages of a running application show
them, until it is interrupted.

Sessions write a log when the setting event.log.dir names a directory; without DIR that is the one that is shown.`,
		Example: `  millrace sql --conf event.log.dir=logs -c "SELECT 1"
  millrace history logs`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := settings.Load()
			if err != nil {
				return err
			}
			dir := set.Get(settings.EventLogDir).Text
			if len(args) == 1 {
				dir = args[0]
			}
			if dir == "" {
				return fmt.Errorf("%w: name the directory with the logs, or set %s", errUsage, settings.EventLogDir)
			}
			root, err := os.OpenRoot(dir)
			if err != nil {
				return diag.New(diag.PathNotFound, "%s cannot be read: %v", dir, err).WithPath(dir)
			}
			defer root.Close()
			s, err := ui.Listen(cmd.Context(), listen, ui.History(root))
			if err != nil {
				return err
			}
			fmt.Println(s.URL)
			<-cmd.Context().Done()
			return s.Close()
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:18080", "host:port of the loopback, the next free port if that is taken")
	return c
}
