package kernel

import "unsafe"

// streams says that there is a way to write lines past the caches.
const streams = true

// addStrokes8 does for strokes over a column of values of 8 bytes what addLines does
// for one. Rows are not checked, and for each stroke some more than it has are read,
// less than a line of them. For every full line what lies at ahead is fetched into the
// cache, which moves on by step bytes. Other processors see the lines after fence.
//
//go:noescape
func addStrokes8(strokes *stroke, n int, src, ahead unsafe.Pointer, step int)

// addStrokes4 is addStrokes8 for values of 4 bytes.
//
//go:noescape
func addStrokes4(strokes *stroke, n int, src, ahead unsafe.Pointer, step int)

// fence has what was written seen before what is written from now on.
func fence()
