// Package front keeps what can be rebuilt and is asked for again and again, as the
// footers and page indexes of files, in memory that nobody else needs.
//
//	Get ──► items ── hit ──► value
//	Put ──► reservation ──► items ──► ristretto: admits, evicts ── callback ──► items
//	Broker: Reclaim ────────► items
//
// The truth about what is here and what it takes is the map of items; ristretto is told
// of each item and says which ones to drop. It may drop a new item because its queue is
// full, or because it is asked for too rarely.
//
// Invariants:
//
//   - F1 Keys name the version of what was read: path, size, time and inode of a file.
//     What has changed has another key.
//   - F2 What items take is reserved first, from what the broker lends to stores;
//     Reclaim drops items whoever reads them: values are never changed, and who has one
//     keeps it by himself.
//   - F3 A value that is not here is no error. Nothing that was promised to anybody lies
//     here alone.
//   - F4 No callback of ristretto calls it, or waits.
//
// The package imports columnar/memory and ristretto. It is tested with caches that lose
// everything at once.
package front
