//go:build !amd64

package kernel

import "unsafe"

// streams says that there is no way to write lines past the caches: nobody calls what
// follows.
const streams = false

func addStrokes8(*stroke, int, unsafe.Pointer, unsafe.Pointer, int) {}

func addStrokes4(*stroke, int, unsafe.Pointer, unsafe.Pointer, int) {}

func fence() {}
