// Package settings is the one registry of what can be configured: each key with
// its type, default and meaning. Values come from, in rising order: the default,
// millrace.toml, the environment (MILLRACE_SQL_SHUFFLE_PARTITIONS), a flag, code.
package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/millrace-engine/millrace/internal/diag"
)

// Setting describes a key.
type Setting struct {
	Key, Default, Doc string
	check             func(string) error
}

// Keys in use.
const (
	Master            = "master"
	Memory            = "memory"
	ShufflePartitions = "sql.shuffle.partitions"
	RuntimeFilters    = "sql.runtime.filters"
	FunctionMemory    = "function.memory"
	FunctionTime      = "function.time"
	BatchRows         = "exec.batch.rows"
	SpillDir          = "spill.dir"
	SpillLimit        = "spill.limit"
	ShuffleKeep       = "shuffle.keep"
	CachePolicy       = "cache.policy"
	CacheFront        = "cache.front"
	CheckpointDir     = "checkpoint.dir"
	CollectLimit      = "driver.collect.limit"
	ResultBuffer      = "driver.result.buffer"
	Transport         = "transport"
	SchedulerMode     = "scheduler.mode"
	SchedulerPool     = "scheduler.pool"
	SchedulerPools    = "scheduler.pools"
	Speculation       = "task.speculation"
	TimeZone          = "sql.session.timezone"
	FetchTask         = "shuffle.fetch.task"
	FetchExecutor     = "shuffle.fetch.executor"
	FetchPeer         = "shuffle.fetch.peer"
	FetchStreams      = "shuffle.fetch.streams"
	FetchRequest      = "shuffle.fetch.request"
	FetchDial         = "shuffle.fetch.dial"
	ServeOutstanding  = "shuffle.serve.outstanding"
	AppName           = "app.name"
	ArtifactDir       = "artifact.dir"
	ArtifactLimit     = "artifact.limit"
	ArtifactReport    = "artifact.report"
	ClusterHost       = "cluster.host"
	ClusterToken      = "cluster.token"
	ClusterWait       = "cluster.wait"
	EventLogDir       = "event.log.dir"
	UIAddress         = "ui.address"
	ExecutorCores     = "executor.cores"
	ExecutorCount     = "executor.count"
	ExecutorDynamic   = "executor.dynamic"
	ExecutorLeast     = "executor.dynamic.least"
	ExecutorBacklog   = "executor.dynamic.backlog"
	ExecutorSustained = "executor.dynamic.sustained"
	ExecutorIdle      = "executor.dynamic.idle"
	ExecutorMemory    = "executor.memory"
)

// All lists the settings, sorted by key.
func All() []Setting {
	return append(adaptive(), []Setting{
		{AppName, "millrace", "name of the application, as a cluster shows it", func(string) error { return nil }},
		{ArtifactDir, "", "directory of the host where files, libraries and programs of sessions are kept; empty for one of the user in the system's place for temporary files", func(string) error { return nil }},
		{ArtifactLimit, "10GiB", "the most that may lie there; what nobody uses makes room", size(1 << 20)},
		{ArtifactReport, "off", "whether a session says at its end, on standard error, how many bytes of artifacts it sent: on or off; millrace submit turns it on", oneOf("on", "off")},
		{ClusterHost, "", "address of this machine that a cluster's workers reach; empty for the one that leads to the master", func(string) error { return nil }},
		{ClusterToken, "", "file with the token that lets a process into a cluster; empty for millrace/token in the user's configuration directory", func(string) error { return nil }},
		{ClusterWait, "5m", "how long an application waits for its first executor", duration},
		{EventLogDir, "", "directory where the session writes what its queries did, for millrace history; empty for none", func(string) error { return nil }},
		{UIAddress, "", "where the session shows its queries as pages: host:port of the loopback, as 127.0.0.1:4040, the next free port if that is taken; empty for nowhere", func(string) error { return nil }},
		{ExecutorCores, "1", "cores, and so tasks at a time, of each executor on a cluster", whole(1, maxPlaces)},
		{ExecutorCount, "2", "executors that an application wants on a cluster; the most that it wants with executor.dynamic", whole(1, 10_000)},
		{ExecutorDynamic, "false", "true has as many executors, up to executor.count or those of local-cluster, as tasks need", oneOf("true", "false")},
		{ExecutorBacklog, "1s", "how long tasks wait for slots before there is another executor", duration},
		{ExecutorIdle, "1m", "how long an executor has nothing to do before it leaves; what it holds goes to others", duration},
		{ExecutorLeast, "1", "executors that there are at least with executor.dynamic", whole(1, 10_000)},
		{ExecutorSustained, "1s", "how long tasks wait after that before there are twice as many more, and so on", duration},
		{ExecutorMemory, "1GiB", "memory budget of each executor on a cluster", size(16 << 20)},
		{CollectLimit, "1GiB", "size of the rows that Collect may gather in memory; Batches, ForEach and Write know no limit", size(1 << 20)},
		{ResultBuffer, "16MiB", "size of the rows of a result that may wait to be read", size(64 << 10)},
		{FunctionMemory, "256MiB", "memory that a function of a WebAssembly library may have, at most 4GiB", size(64 << 10)},
		{FunctionTime, "10s", "how long such a function may take for a batch of rows", duration},
		{BatchRows, "8192", "rows per batch, 1 to 8192", whole(1, 8192)},
		{Master, "local[*]", "where queries run: local, local[n], local[*], local-cluster[executors,cores,MiB], millrace://host:port", func(v string) error { _, err := ParseMaster(v); return err }},
		{Memory, "auto", "memory budget: a size as 4GiB, or auto for 80 % of what the machine or container has", func(v string) error { _, err := Bytes(v); return err }},
		{SpillDir, "", "directory for what memory has no room for; empty for a fresh one in the system's place for temporary files", func(string) error { return nil }},
		{SpillLimit, "none", "the most that may lie there at a time: a size as 100GiB, or none", func(v string) error { _, err := SpillBytes(v); return err }},
		{ShuffleKeep, "", "directory where the outputs of exchanges are kept as .mrs files, for millrace shuffle cat; empty for none", func(string) error { return nil }},
		{CheckpointDir, "", "directory for the files of checkpoints, which stay there; on a cluster all hosts must see it; empty for one of the system's place for temporary files, which goes with the session", func(string) error { return nil }},
		{CacheFront, "on", "whether footers and page indexes of files that were read stay in memory that nobody else needs: on, off; lossy, which drops them at once, is for tests", oneOf("on", "off", "lossy")},
		{CachePolicy, "s3fifo", "which blocks of cached tables leave memory first: s3fifo, what is read once only; lru, what was read longest ago; cost, what is cheapest to make again", oneOf("s3fifo", "lru", "cost")},
		{Transport, "local", "what carries bytes between processes: local (sockets of one host, and between hosts of a cluster quic, else tcp), quic or tcp (TLS 1.3)", oneOf("local", "quic", "tcp")},
		{FetchTask, "48MiB", "exchange output that a task may have asked other executors for and not used up", size(64 << 10)},
		{FetchExecutor, "384MiB", "the same of all tasks of an executor", size(64 << 10)},
		{FetchPeer, "64MiB", "the same of all tasks of an executor, from one other executor", size(64 << 10)},
		{FetchStreams, "8", "requests for exchange output that an executor has at another one at a time", whole(1, 1<<10)},
		{FetchRequest, "9.6MiB", "exchange output that one request asks for; a fifth of shuffle.fetch.task lets five executors send at once", size(64 << 10)},
		{FetchDial, "5s", "how long another executor may take to answer who dials it; after two times without an answer what it holds is made again", duration},
		{ServeOutstanding, "256MiB", "exchange output that an executor may be asked for and has not sent; above it others are told to come again", size(64 << 10)},
		{SchedulerMode, "FIFO", "who gets free slots: FIFO, the query that came first; FAIR, the pool that has fewest for its weight; PRIORITY, the pool of most weight; DEADLINE, the query whose context ends first", oneOf("FIFO", "FAIR", "PRIORITY", "DEADLINE")},
		{SchedulerPool, "", "pool that queries run in under FAIR and PRIORITY; empty: each is a pool of its own", func(string) error { return nil }},
		{SchedulerPools, "", "pools with their weights, and slots that they get first, as etl=1,dashboards=3:2; others weigh 1", func(v string) error { _, err := ParsePools(v); return err }},
		{Speculation, "false", "true gives tasks that take more than three times as long as most others a second attempt on another executor", oneOf("true", "false")},
		{TimeZone, "UTC", "time zone in which timestamps are read and shown", func(v string) error { _, err := time.LoadLocation(v); return err }},
		{RuntimeFilters, "on", "whether joins tell scans which values they look for, on or off", oneOf("on", "off")},
		{ShufflePartitions, "0", "partitions of hash exchanges; 0 lets the planner choose", whole(0, 1<<16)},
	}...)
}

func size(least int64) func(string) error {
	return func(v string) error { _, err := parseSize(v, least); return err }
}

func truth(v string) error { return oneOf("true", "false")(v) }

func duration(v string) error {
	if d, err := time.ParseDuration(v); err != nil || d <= 0 {
		return diag.New(diag.InvalidSetting, "needs a time as 30s or 5m")
	}
	return nil
}

func oneOf(names ...string) func(string) error {
	return func(v string) error {
		if !slices.Contains(names, v) {
			return diag.New(diag.InvalidSetting, "needs one of %s", strings.Join(names, ", "))
		}
		return nil
	}
}

func whole(least, most int) func(string) error {
	return func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < least || n > most {
			return diag.New(diag.InvalidSetting, "needs a whole number from %d to %d", least, most)
		}
		return nil
	}
}

// Value is a setting's value and where it came from.
type Value struct{ Text, Origin string }

// Set is a set of values. The zero value holds nothing; use Defaults or Load.
type Set struct{ values map[string]Value }

// Defaults returns the defaults.
func Defaults() *Set {
	s := &Set{values: map[string]Value{}}
	for _, x := range All() {
		s.values[x.Key] = Value{x.Default, "default"}
	}
	return s
}

// Load returns the defaults overlaid by millrace.toml in the working directory,
// if there is one, and by the environment.
func Load() (*Set, error) {
	s := Defaults()
	const file = "millrace.toml"
	if b, err := os.ReadFile(file); err == nil {
		var tree map[string]any
		if err := toml.Unmarshal(b, &tree); err != nil {
			return nil, diag.New(diag.InvalidSetting, "%s cannot be read: %v", file, err).WithPath(file)
		}
		flat := map[string]string{}
		flatten("", tree, flat)
		keys := make([]string, 0, len(flat))
		for k := range flat {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		for _, k := range keys {
			if err := s.Put(k, flat[k], file); err != nil {
				return nil, err
			}
		}
	}
	for _, x := range All() {
		name := EnvName(x.Key)
		if v, ok := os.LookupEnv(name); ok {
			if err := s.Put(x.Key, v, name); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// EnvName returns the environment variable of a key.
func EnvName(key string) string {
	return "MILLRACE_" + strings.ToUpper(strings.NewReplacer(".", "_").Replace(key))
}

func flatten(prefix string, tree map[string]any, out map[string]string) {
	for k, v := range tree {
		switch x := v.(type) {
		case map[string]any:
			flatten(prefix+k+".", x, out)
		case string:
			out[prefix+k] = x
		case int64:
			out[prefix+k] = strconv.FormatInt(x, 10)
		case bool:
			out[prefix+k] = strconv.FormatBool(x)
		}
	}
}

// Put sets a value; unknown keys and bad values are refused.
func (s *Set) Put(key, value, origin string) error {
	for _, x := range All() {
		if x.Key == key {
			if err := x.check(value); err != nil {
				msg, remedy := err.Error(), ""
				if e, ok := err.(*diag.Error); ok {
					msg, remedy = e.Message, e.Remedy
				}
				return diag.New(diag.InvalidSetting, "the value %q of %s (from %s) is not valid: %s", value, key, origin, msg).WithRemedy("%s", remedy)
			}
			s.values[key] = Value{value, origin}
			return nil
		}
	}
	e := diag.New(diag.UnknownSetting, "there is no setting %q (from %s)", key, origin)
	best, keys := "", []string{}
	for _, x := range All() {
		keys = append(keys, x.Key)
		if strings.Contains(x.Key, key) || strings.Contains(key, x.Key) || tail(x.Key) == tail(key) {
			best = x.Key
		}
	}
	if near := diag.Nearest(key, keys, 1+len(key)/5); near != "" {
		best = near
	}
	if best != "" {
		return e.WithRemedy("did you mean %s?", best)
	}
	return e.WithRemedy("`millrace config` lists them")
}

func tail(k string) string { return k[strings.LastIndexByte(k, '.')+1:] }

// Get returns a value.
func (s *Set) Get(key string) Value { return s.values[key] }

// Int returns a whole number.
func (s *Set) Int(key string) int {
	n, _ := strconv.Atoi(s.values[key].Text)
	return n
}

// Size returns a size in bytes.
func (s *Set) Size(key string) int64 {
	n, _ := parseSize(s.values[key].Text, 0)
	return n
}

// Copy returns an independent set.
func (s *Set) Copy() *Set {
	c := &Set{values: map[string]Value{}}
	for k, v := range s.values {
		c.values[k] = v
	}
	return c
}

// Bytes returns the budget that a memory setting asks for.
func Bytes(v string) (int64, error) {
	if v == "auto" || v == "" {
		return available("/") / 10 * 8, nil
	}
	return parseSize(v, 16<<20)
}

// parseSize reads a size of at least a number of bytes.
func parseSize(v string, least int64) (int64, error) {
	t := strings.TrimSpace(strings.ToLower(v))
	t = strings.TrimSuffix(strings.TrimSuffix(t, "b"), "i")
	unit := int64(1)
	if n := len(t); n > 0 {
		if i := strings.IndexByte("kmgt", t[n-1]); i >= 0 {
			unit = 1 << (10 * (i + 1))
			t = t[:n-1]
		}
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(t), 64)
	if err != nil || f*float64(unit) < float64(least) || f*float64(unit) > 1<<60 {
		floor := fmt.Sprintf("%dMiB", least>>20)
		if least < 1<<20 {
			floor = fmt.Sprintf("%dKiB", least>>10)
		}
		return 0, diag.New(diag.InvalidSetting, "%q is not a size of at least %s", v, floor).WithRemedy("write it as 512MiB or 4GiB")
	}
	return int64(f * float64(unit)), nil
}

// SpillBytes returns the limit that spill.limit asks for, 0 for none.
func SpillBytes(v string) (int64, error) {
	switch v {
	case "none":
		return 0, nil
	case "", "auto":
		return 0, diag.New(diag.InvalidSetting, "needs a size of at least 16MiB, or none")
	}
	return Bytes(v)
}

// Duration returns a time.
func (s *Set) Duration(key string) time.Duration {
	d, _ := time.ParseDuration(s.values[key].Text)
	return d
}

// TokenFile returns the file that holds a cluster's token.
func TokenFile(v string) string {
	if v != "" {
		return v
	}
	dir, err := os.UserConfigDir()
	if err != nil { // no home: a place that the messages can name
		dir = "."
	}
	return filepath.Join(dir, "millrace", "token")
}

// Fixed reports whether a setting stays as it is once a session runs.
func Fixed(key string) bool {
	return slices.Contains([]string{ArtifactDir, ArtifactLimit, Master, Memory, SpillDir, SpillLimit, ShuffleKeep, CachePolicy, AppName, ClusterHost, ClusterToken, ClusterWait, SchedulerMode, SchedulerPools, Speculation, ExecutorCores, ExecutorCount, ExecutorMemory,
		Transport, FetchTask, FetchExecutor, FetchPeer, FetchStreams, FetchRequest, FetchDial, ServeOutstanding}, key)
}
