// Text is a library of SQL functions in WebAssembly, written in Go. The ABI is that of
// package artifacts/wasm.
package main

import (
	"slices"
	"unsafe"
)

func main() {} // a reactor: only its exports run

// column is one Arrow column in this module's memory: addresses, 0 where there is
// nothing.
type column struct{ validity, data, bytes uint32 }

var (
	kept   [][]byte // what the host writes into, until the call returns
	free   [][]byte // the same of calls before
	result column
	out    []byte
	offs   []int32
)

// alloc takes memory of calls before where it can: the collector of Go has little time
// to run between calls.
//
//go:wasmexport millrace_alloc
func alloc(n uint32) uint32 {
	need := max(int(n), 1) + 8
	k := slices.IndexFunc(free, func(b []byte) bool { return len(b) >= need })
	switch {
	case k >= 0:
	case len(free) > 0:
		k = 0
		free[0] = make([]byte, need+need/4)
	default:
		k = 0
		free = append(free, make([]byte, need+need/4))
	}
	b := free[k]
	free = slices.Delete(free, k, k+1)
	kept = append(kept, b)
	return uint32(uintptr(unsafe.Pointer(&b[0])))
}

func at[T any](p uint32, n int) []T { return unsafe.Slice((*T)(unsafe.Pointer(uintptr(p))), n) }

// text calls f with the bytes of each row and returns a column of what it appends.
func text(rows uint32, args uint32, f func(out, row []byte) []byte) uint32 {
	in := at[column](args, 1)[0]
	off := at[int32](in.data, int(rows)+1)
	all := at[byte](in.bytes, int(off[rows]))
	out, offs = out[:0], append(offs[:0], 0)
	for i := range int(rows) {
		out = f(out, all[off[i]:off[i+1]])
		offs = append(offs, int32(len(out)))
	}
	out = append(out, 0)
	result = column{in.validity, address(unsafe.Pointer(&offs[0])), address(unsafe.Pointer(&out[0]))}
	free = append(free, kept...)
	kept = kept[:0]
	return address(unsafe.Pointer(&result))
}

func address(p unsafe.Pointer) uint32 { return uint32(uintptr(p)) }

// shout makes letters of ASCII large.
//
//go:wasmexport shout
func shout(rows, args uint32) uint32 {
	return text(rows, args, func(out, row []byte) []byte {
		for _, c := range row {
			if c-'a' < 26 {
				c -= 32
			}
			out = append(out, c)
		}
		return out
	})
}

// forever never returns.
//
//go:wasmexport forever
func forever(rows, args uint32) uint32 {
	for n := uint32(0); ; n++ {
		if n == 0 && rows == 1<<31 {
			return n
		}
	}
}

// greedy allocates without end.
//
//go:wasmexport greedy
func greedy(rows, args uint32) uint32 {
	for {
		b := make([]byte, 1<<20)
		b[len(b)-1] = 1
		hoard = append(hoard, b)
	}
}

var hoard [][]byte

// trap divides by zero where nothing recovers.
//
//go:wasmexport trap
func trap(rows, args uint32) uint32 {
	panic("a trap")
}

// outside reads beyond its memory.
//
//go:wasmexport outside
func outside(rows, args uint32) uint32 {
	return uint32(at[byte](0xfffffff0, 1)[0])
}

// wild returns addresses that are not in its memory.
//
//go:wasmexport wild
func wild(rows, args uint32) uint32 {
	result = column{0xfffffff0, 0xffffff00, 0xfffffff8}
	return address(unsafe.Pointer(&result))
}
