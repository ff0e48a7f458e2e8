// Package cache is the block store of an executor: write-once lists of batches
// by id, in memory as long as there is room, then on disk as chunks.
//
//	Writer ── Append ──► builder of a map output ── Commit ──► blocks
//	                          │ memory short                     │ Reclaim
//	                          ▼                                  ▼
//	                     Disk: one file per map output, one run per block
//
//	ABSENT ─Write─► WRITING ─Commit─► READY ⇄ SPILLING
//	                                    │ Drop
//	                                    ▼
//	                                 DELETING ── last Close of a Pinned ──► ABSENT
//
// A block's rows are those of its run, then those of its batches in memory. These may be
// packed: encoded as they would lie on disk, so that they take less, leave by a plain
// write, and are decoded by each who reads them.
//
// Invariants:
//
//   - B1 A block is written once; what its readers see never changes.
//   - B2 What blocks hold in memory is charged to the store's reservation, a
//     dictionary or region that several share once, and given back to the byte.
//     Batches of a region are read while their block is pinned.
//   - B3 A block whose level has the disk leaves memory only after all of it is
//     on disk; one of memory alone may be dropped, when nobody reads it.
//   - B4 Get pins: while a Pinned is open its block loses neither its memory nor
//     its run, whatever is dropped. So it is while a block is written to disk.
//   - B5 State changes under the lock of a shard; no I/O and no call of the
//     broker happens under it.
//
// What leaves first is up to a Policy for blocks of datasets (ranks), by priority; then
// go map outputs, the oldest first. A block that is read from disk again comes back
// while there is room (Load).
//
// The package imports columnar and internal/diag. It is tested by random use
// from many goroutines against a model, and with devices that become full; under the
// invariants build tag what is read after it was given back is poison.
package cache
