package harness

// Suite is a set of queries over a set of tables.
type Suite struct {
	Name    string // as the command line names it
	Title   string
	SF      float64
	Tables  map[string]string // name → a Parquet file, or a folder of them
	Data    string            // what the files are, for readers of a report
	Bytes   int64             // of all files together
	Queries []Query
}

// Query is one thing to measure.
type Query struct {
	Name  string // as q01: the key in results, notes and --queries
	Title string // for readers; may be empty
	SQL   string
	// Dialects have the SQL of engines that spell something otherwise.
	Dialects map[string]string
	Ordered  bool        // rows are compared in order; else as a set, because ties are open
	Convert  *Conversion // nil for a plain query
}

// Conversion is the work of writing a CSV file, which has a header, as Parquet.
// The query's SQL then reads it back as the table "converted", unmeasured.
type Conversion struct {
	CSV     string
	Columns []Column
}
