package millrace

import (
	"time"

	"github.com/millrace-engine/millrace/exec/driver"
	"github.com/millrace-engine/millrace/exec/driver/allocate"
	"github.com/millrace-engine/millrace/exec/driver/task"
	"github.com/millrace-engine/millrace/internal/settings"
)

// quick is how much time of tasks a query has taken under FAIR until it waits for slots
// as others do.
const quick = 2 * time.Second

// scheduling is what the settings say about who gets slots, and how many executors there
// are: at most so many, of slots each; 0 where that does not change.
func scheduling(conf *settings.Set, most, slots int) (driver.Config, error) {
	c := driver.Config{Pools: map[string]task.Pool{}}
	if conf.Get(settings.Speculation).Text == "true" {
		c.Speculation = task.Standard
	}
	mode := conf.Get(settings.SchedulerMode).Text
	if c.Policy = task.Policies[mode]; mode == "FAIR" {
		c.Quick = quick
	}
	if conf.Get(settings.ExecutorDynamic).Text == "true" && most > 0 {
		c.Allocation = &allocate.Config{Least: min(conf.Int(settings.ExecutorLeast), most), Most: most, Slots: slots,
			Backlog: conf.Duration(settings.ExecutorBacklog), Sustained: conf.Duration(settings.ExecutorSustained), Idle: conf.Duration(settings.ExecutorIdle)}
	}
	pools, err := settings.ParsePools(conf.Get(settings.SchedulerPools).Text)
	for _, p := range pools {
		c.Pools[p.Name] = task.Pool(p)
	}
	return c, err
}
