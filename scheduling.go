package millrace

import (
	"github.com/millrace-engine/millrace/exec/driver"
	"github.com/millrace-engine/millrace/exec/driver/task"
	"github.com/millrace-engine/millrace/internal/settings"
)

// scheduling is what the settings say about who gets slots.
func scheduling(conf *settings.Set) (driver.Config, error) {
	c := driver.Config{Pools: map[string]task.Pool{}}
	if conf.Get(settings.Speculation).Text == "true" {
		c.Speculation = task.Standard
	}
	if conf.Get(settings.SchedulerMode).Text == "FAIR" {
		c.Policy = task.Fair
	}
	pools, err := settings.ParsePools(conf.Get(settings.SchedulerPools).Text)
	for _, p := range pools {
		c.Pools[p.Name] = task.Pool(p)
	}
	return c, err
}
