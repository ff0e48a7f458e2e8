package dbgen

// maxSentence is more than the longest sentence has bytes.
const maxSentence = 1024

func sentence(b []byte, s *stream) []byte {
	syntax := grammar.draw(s)
	for i := 0; i < len(syntax); i += 2 {
		switch syntax[i] {
		case 'V':
			b = verbPhrase(b, s)
		case 'N':
			b = nounPhrase(b, s)
		case 'P':
			b = append(b, prepositions.draw(s)...)
			b = append(b, " the "...)
			b = nounPhrase(b, s)
		case 'T':
			b = append(b[:len(b)-1], terminators.draw(s)...)
		}
		if b[len(b)-1] != ' ' {
			b = append(b, ' ')
		}
	}
	return b
}

func verbPhrase(b []byte, s *stream) []byte {
	syntax := verbPhrases.draw(s)
	for i := 0; i < len(syntax); i += 2 {
		d := verbs
		switch syntax[i] {
		case 'D':
			d = adverbs
		case 'X':
			d = auxiliaries
		}
		b = append(append(b, d.draw(s)...), ' ')
	}
	return b
}

func nounPhrase(b []byte, s *stream) []byte {
	syntax := nounPhrases.draw(s)
	for i := range len(syntax) {
		d := nouns
		switch syntax[i] {
		case 'J':
			d = adjectives
		case 'D':
			d = adverbs
		case ',':
			b = append(b[:len(b)-1], ", "...)
			continue
		case ' ':
			continue
		}
		b = append(append(b, d.draw(s)...), ' ')
	}
	return b
}

// comment is a stream of texts of an average length.
type comment struct {
	stream
	least, most int32
	pool        *textPool
}

func newComment(seed int64, average float64, rows int64) comment {
	return comment{newStream(seed, 2*rows), int32(average * 0.4), int32(average * 1.6), pool()}
}

func (c *comment) draw() []byte {
	at := c.between(0, int32(len(c.pool.text))-c.most)
	n := c.between(c.least, c.most)
	return c.pool.text[at : at+n]
}

const alphabet = "0123456789abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ,"

// address appends a random string of 10 to 40 characters.
func address(b []byte, s *stream) []byte {
	n := s.between(10, 40)
	var bits int64
	for i := range n {
		if i%5 == 0 {
			bits = int64(s.between(0, 1<<31-1))
		}
		b = append(b, alphabet[bits&63])
		bits >>= 6
	}
	return b
}

// phone appends a number in a nation.
func phone(b []byte, s *stream, nation int64) []byte {
	b = append(digits(b, 10+nation%90, 2), '-')
	b = append(digits(b, int64(s.between(100, 999)), 3), '-')
	b = append(digits(b, int64(s.between(100, 999)), 3), '-')
	return digits(b, int64(s.between(1000, 9999)), 4)
}

// digits appends a number with at least n digits.
func digits(b []byte, v int64, n int) []byte {
	var buf [20]byte
	i := len(buf)
	for v > 0 || n > 0 {
		i--
		buf[i] = byte('0' + v%10)
		v /= 10
		n--
	}
	return append(b, buf[i:]...)
}
