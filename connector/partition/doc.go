// Package partition gives any format partition directories, as Hive has them.
//
//	sales/year=2024/city=K%C3%B6ln/part-00000-0.parquet
//	      ───┬───── ──────┬───────
//	   year int 2024   city string Köln: the same for all rows of the file
//
//	Wrap(format): Open ─► columns of the files, then those of the directories
//	              Splits ─► of the directories that the filters leave
//	              Scan ─► the format's batches with constant vectors beside
//	              NewWriter ─► one of the format's writers per directory
//
// Invariants:
//
//   - P1 Types are inferred over all directories as Spark does: int, bigint,
//     decimal, double, date, timestamp (in UTC), else string. A user's schema goes
//     first.
//   - P2 __HIVE_DEFAULT_PARTITION__ is null. Null and the empty string are written
//     so. Other characters that a path cannot hold are written as %XX.
//   - P3 A column that the directories and the files have takes the value of the
//     directories.
//   - P4 A filter on partition columns alone decides which files are opened: no
//     others are, to plan or to read.
//   - P5 A task holds at most maxOpen files open and maxHeld bytes back, however
//     many directories it writes to.
//
// Directories count below the path that was named, as in Spark: a path into a
// partition has not its column, unless the option basePath names the table.
//
// It imports columnar, plan/eval, plan/expr, plan/catalog, connector and diag.
// Tests write and read through SQL in the root package; units are here.
package partition
