package op

import (
	"fmt"
	"strconv"
	"time"

	"github.com/millrace-engine/millrace/columnar"
	"github.com/millrace-engine/millrace/plan/catalog"
)

// The settings that travel with a stage.
const (
	ConfBatchRows = "exec.batch.rows"
	ConfZone      = "sql.session.timezone"
	ConfNow       = "query.start.micros"
)

// Configure takes over the settings that came with a stage.
func (t *TaskContext) Configure(conf []catalog.Option) error {
	t.BatchRows, t.Zone = columnar.MaxRows, time.UTC
	for _, o := range conf {
		switch o.Key {
		case ConfBatchRows:
			n, err := strconv.Atoi(o.Value)
			if err != nil || n < 1 || n > columnar.MaxRows {
				return fmt.Errorf("%s = %q", o.Key, o.Value)
			}
			t.BatchRows = n
		case ConfZone:
			z, err := time.LoadLocation(o.Value)
			if err != nil {
				return err
			}
			t.Zone = z
		case ConfNow:
			us, err := strconv.ParseInt(o.Value, 10, 64)
			if err != nil {
				return err
			}
			t.Now = time.UnixMicro(us)
		}
	}
	return nil
}
