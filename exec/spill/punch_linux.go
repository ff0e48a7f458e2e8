package spill

import "syscall"

const punchKeepSize = 0x02 | 0x01 // FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE

// Punch gives n bytes back to the file system. Where that is not possible they
// stay until the file is closed.
func (d *disk) Punch(at, n int64) { _ = syscall.Fallocate(int(d.Fd()), punchKeepSize, at, n) }
