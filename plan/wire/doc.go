// Package wire encodes stages and tasks for executors: protobuf wire format
// written by hand, versioned, bounded in size and depth, refused when anything
// is unknown or out of range.
//
//	StageSpec        once per executor, named by its SHA-256
//	TaskDescription  once per task attempt, under 4 KiB but for its splits
//
// Invariants:
//
//   - W1 Decode(Encode(x)) equals x, and Encode has one result per value.
//   - W2 Decoding never panics, never allocates more than a small multiple of
//     the input, and never resolves a name other than of the function table.
//
// It imports physical, stage, expr. It is tested by round trips of every plan
// of the planner's goldens and by fuzzing.
package wire
