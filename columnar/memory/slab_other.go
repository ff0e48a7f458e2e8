//go:build !linux

package memory

// mapSlab takes slabs from the Go heap, where the collector takes them back.
func mapSlab(size int) []byte { return aligned(size) }

func unmapSlab([]byte) {}
