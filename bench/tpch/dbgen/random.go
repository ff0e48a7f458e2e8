package dbgen

// The generator's linear congruential stream.
const (
	multiplier = 16807
	modulus    = 1<<31 - 1
)

// exactSpan is the largest span that below computes. Up to there the original's
// floating point arithmetic gives the same number: seed·span/modulus is never a
// whole number, so it is at least 1/modulus ≈ 4.7e-10 away from one, while two
// roundings of a double move it by at most span·2^-52.
const exactSpan = 1 << 20

// stream is one column's source of numbers; per is how many a row may use.
// The zero value is not usable. A stream is used by one goroutine at a time.
type stream struct {
	seed      int64
	used, per int64
}

func newStream(seed, per int64) stream { return stream{seed: seed, per: per} }

// advance draws the next seed, 1 to modulus-1. The modulus is a Mersenne prime,
// so the remainder is a sum of the product's halves.
func (s *stream) advance() uint64 {
	x := uint64(s.seed) * multiplier
	x = x&modulus + x>>31
	if x >= modulus {
		x -= modulus
	}
	s.seed = int64(x)
	s.used++
	return x
}

// below draws from 0 to span-1; span is at most exactSpan.
func (s *stream) below(span uint64) uint64 {
	x := s.advance() * span
	q, r := x>>31, x&modulus
	if q+r >= modulus {
		q++
	}
	return q
}

// between draws from low to high, both included. The span is computed in 32
// bits, as the original does, so that the widest one is negative.
func (s *stream) between(low, high int32) int32 {
	span := high - low + 1
	if span > 0 && span <= exactSpan {
		return low + int32(s.below(uint64(span)))
	}
	return low + int32(float64(s.advance())/modulus*float64(span))
}

// endRow skips the draws that the row did not use.
func (s *stream) endRow() {
	if s.used != s.per {
		s.skip(s.per - s.used)
	}
	s.used = 0
}

// skipRows moves past whole rows.
func (s *stream) skipRows(n int64) { s.skip(n * s.per) }

// skip moves past n draws in O(log n), by squaring the multiplier.
func (s *stream) skip(n int64) {
	m := int64(multiplier)
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			s.seed = m * s.seed % modulus
		}
		m = m * m % modulus
	}
}
