package decode

import "golang.org/x/sys/cpu"

// widest is the greatest width of which four numbers, wherever they begin within
// a byte, lie in words of 32 bits within 16 bytes.
const widest = 25

// plan says how a group of a width is taken apart: of each number the four bytes
// that hold it, by how much they are shifted, and what remains.
type plan struct {
	bytes  [32]byte
	shifts [8]uint32
	mask   [8]uint32
}

var plans = func() (ps [widest + 1]plan) {
	for w := 1; w <= widest; w++ {
		p := &ps[w]
		for k := range 8 {
			at := k * w
			if k >= 4 {
				at -= w / 2 * 8 // the upper half is loaded from there
			}
			for i := range 4 {
				p.bytes[4*k+i] = byte(at/8 + i)
			}
			p.shifts[k], p.mask[k] = uint32(at%8), 1<<w-1
		}
	}
	return ps
}()

// unpackGroups takes groups of eight numbers apart, at least one. It reads 16
// bytes beyond the middle of the last.
//
//go:noescape
func unpackGroups(out *uint32, in *byte, groups, width int, p *plan)

// unpackMost takes as many groups apart as it can and returns how many.
func unpackMost(out []uint32, b []byte, width int) int {
	if !cpu.X86.HasAVX2 || width > widest {
		return 0
	}
	n := min(len(out)/8, (len(b)-width/2-16)/width+1)
	if len(b) < width/2+16 || n == 0 {
		return 0
	}
	unpackGroups(&out[0], &b[0], n, width, &plans[width])
	return n
}
