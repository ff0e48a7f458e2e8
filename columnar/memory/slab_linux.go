package memory

import "syscall"

// mapSlab asks the system for size bytes. Where it refuses, the Go heap serves:
// its own failure to do so ends the process with a reason.
func mapSlab(size int) []byte {
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return aligned(size)
	}
	return b
}

// unmapSlab gives a slab back. One that came from the Go heap is not known to
// the system call package, which refuses it: the collector takes it then.
func unmapSlab(b []byte) { _ = syscall.Munmap(b) }
