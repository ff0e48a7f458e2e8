//go:build !amd64

package decode

// unpackMost takes no groups apart: there is no faster way than unpack's.
func unpackMost(_ []uint32, _ []byte, _ int) int { return 0 }
