package csv

// mark notes for each 64 bytes of t, whose length is a multiple of that and at
// most groupBytes, which bytes are separators, and which are one of two others.
//
//go:noescape
func mark(marks *[2 * groupBytes / 64]uint64, t []byte, sep, stopA, stopB byte)
