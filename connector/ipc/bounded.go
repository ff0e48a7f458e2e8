package ipc

import (
	"fmt"

	amem "github.com/apache/arrow-go/v18/arrow/memory"
)

// allocator refuses what a file of its size cannot hold, even compressed: the
// library allocates as much as a message claims. Refusing is a panic, which
// becomes an error at the reader's boundary.
type allocator struct {
	amem.GoAllocator
	limit int
}

// expansion is how much larger than the whole file one of its buffers may be.
const expansion = 1024

// bounded returns the allocator for a file of size bytes.
func bounded(size int64) *allocator {
	return &allocator{limit: int(min(1<<20+size*expansion, 1<<31))}
}

func (a *allocator) check(size int) {
	if size < 0 || size > a.limit {
		panic(fmt.Errorf("it claims a buffer of %d bytes", size))
	}
}

// Allocate implements memory.Allocator.
func (a *allocator) Allocate(size int) []byte {
	a.check(size)
	return a.GoAllocator.Allocate(size)
}

// Reallocate implements memory.Allocator.
func (a *allocator) Reallocate(size int, b []byte) []byte {
	a.check(size)
	return a.GoAllocator.Reallocate(size, b)
}
