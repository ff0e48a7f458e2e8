// Package filelock locks open files and directories between processes, without waiting.
//
// Invariants:
//
//   - L1 A lock goes with its file: when that is closed, or the process ends however it
//     does, the operating system takes the lock back.
//
// It imports the standard library alone, and is tested by two descriptors of a file.
package filelock
