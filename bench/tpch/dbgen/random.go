package dbgen

// The generator's linear congruential stream.
const (
	multiplier = 16807
	modulus    = 2147483647
)

// stream is one column's source of numbers; per is how many a row may use.
type stream struct {
	seed      int64
	used, per int64
}

func newStream(seed, per int64) stream { return stream{seed: seed, per: per} }

// between draws from low to high, both included. The span is computed in 32
// bits, as the original does.
func (s *stream) between(low, high int32) int32 {
	s.seed = s.seed * multiplier % modulus
	s.used++
	span := float64(high - low + 1)
	return low + int32(float64(s.seed)/modulus*span)
}

// endRow skips the draws that the row did not use.
func (s *stream) endRow() {
	s.skip(s.per - s.used)
	s.used = 0
}

// skipRows moves past whole rows.
func (s *stream) skipRows(n int64) { s.skip(n * s.per) }

func (s *stream) skip(n int64) {
	m := int64(multiplier)
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			s.seed = m * s.seed % modulus
		}
		m = m * m % modulus
	}
}
