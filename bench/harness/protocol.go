package harness

// Request is a line to an engine's process; Reply is the line that it answers
// with. The operations:
//
//	open     threads, memory, scratch, tables → version, settings
//	run      sql, rows                        → ms, cpu_ms, count; columns, rows, sampled
//	convert  csv, out, columns, sql, rows     → the same; sql reads the table "converted"
//	copy     tables: where to write them      → nothing; rewrites tables as Parquet
//
// The end of its input ends a process.
type Request struct {
	Op      string            `json:"op"`
	Threads int               `json:"threads,omitempty"`
	Memory  int64             `json:"memory,omitempty"`  // bytes that the engine may use; 0 is its own choice
	Scratch string            `json:"scratch,omitempty"` // directory for temporary files
	Tables  map[string]string `json:"tables,omitempty"`  // name → a Parquet file, or a folder of them
	SQL     string            `json:"sql,omitempty"`
	Rows    bool              `json:"rows,omitempty"` // whether the rows are asked for, not only their number
	CSV     string            `json:"csv,omitempty"`
	Out     string            `json:"out,omitempty"`
	Columns []Column          `json:"columns,omitempty"`
	Profile string            `json:"profile,omitempty"` // only to engines that take profiles, see Engine
}

// Column is a column of a result or of a CSV file. The types of results are
// boolean, tinyint … bigint, float, double, decimal(p,s), string, date and
// timestamp; those of CSV files BIGINT, INT, DECIMAL(p,s), VARCHAR and DATE.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Reply is an engine's answer. Rows are text, null is nil. Results of more than
// FullRows rows are sampled: the rows at the places that Places names.
type Reply struct {
	Error    string            `json:"error,omitempty"`
	Version  string            `json:"version,omitempty"`
	Settings map[string]string `json:"settings,omitempty"`
	MS       float64           `json:"ms,omitempty"`
	CPU      float64           `json:"cpu_ms,omitempty"` // of all threads, user and system
	Count    int64             `json:"count,omitempty"`  // rows of the result
	Columns  []Column          `json:"columns,omitempty"`
	Rows     [][]*string       `json:"rows,omitempty"`
	Sampled  bool              `json:"sampled,omitempty"`
	Runtime  *Runtime          `json:"runtime,omitempty"`
}

// Runtime is what Go's runtime and Millrace's operators counted during a query.
type Runtime struct {
	GC        float64 `json:"gc_cpu_ms"`   // processor time of the garbage collector
	Busy      float64 `json:"busy_cpu_ms"` // of everything, by the same clock: it runs on while threads wait for a core
	Allocs    int64   `json:"allocs"`      // objects
	Bytes     int64   `json:"alloc_bytes"`
	Batches   int64   `json:"batches"` // summed over operators
	Operators int     `json:"operators"`
}

// FullRows is how many rows an engine sends at most; sample is how many it
// sends of a larger result, besides the last one.
const (
	FullRows = 100_000
	sample   = 1_000
)

// Places returns which rows of a result of n rows are sent, in order; nil means
// all of them.
func Places(n int64) []int64 {
	if n <= FullRows {
		return nil
	}
	out := make([]int64, 0, sample+1)
	for i := range int64(sample) {
		out = append(out, i*n/sample)
	}
	return append(out, n-1)
}
