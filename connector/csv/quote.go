package csv

// closing says how a quoted field ended.
type closing uint8

// A field is closed by its quote; or open: it ran to the end of the text; or
// odd: text follows its quote, so that quotes are part of the value.
const (
	closed closing = iota
	open
	odd
)

// unquote reads the field whose opening quote is t[0] and appends its value to
// dst. It ends at a separator or line break or with t; end is where. Spark's
// reader (univocity's, with STOP_AT_DELIMITER) gives the rules:
//
//   - A quote that no separator, line break or white space and then one of these
//     follows is no closing one: the value is all of the text up to the next
//     separator, quotes included.
//   - An escape character in front of a quote, or of itself, disappears.
//   - A field that is not closed is what there is.
//
// breaks tells whether line breaks can end the field; else t ends with its line.
func (o *options) unquote(dst, t []byte, breaks bool) (value []byte, end int, how closing) {
	quote, escape, escEsc := o.Quote, o.Escape, o.EscapeEscape
	if escape == 0 {
		escape = quote
	}
	if len(t) == 1 { // nothing was quoted
		return append(dst, quote), 1, open
	}
	from := len(dst)
	var prev byte
	i := 1
	for ; ; i++ {
		if i >= len(t) {
			if prev == quote {
				return dst, len(t), closed
			}
			return dst, len(t), open
		}
		c := t[i]
		if prev == quote && (c <= ' ' || o.sepAt(t, i)) {
			break
		}
		switch {
		case c != quote && c != escape:
			if prev == quote { // it was none that closes
				dst = append(dst, quote)
				return o.bare(dst, from, t, i, breaks)
			}
			if prev == escape && prev != 0 {
				dst = append(dst, escape)
			}
			dst = append(dst, c)
			prev = 0
			continue
		case c == escape && escEsc != 0 && prev == escEsc:
			dst = append(dst, escape)
			c = 0
		case prev == escape:
			if c == quote {
				dst = append(dst, quote)
				c = 0
			} else {
				dst = append(dst, prev)
			}
		case c == quote && prev == quote:
			dst = append(dst, quote)
		case prev == quote:
			dst = append(dst, quote)
		}
		prev = c
	}
	// White space may stand between the quote and the separator.
	blank := i
	for i < len(t) && t[i] <= ' ' && !o.sepAt(t, i) && !(breaks && o.stops(t[i])) {
		i++
	}
	if i >= len(t) || o.sepAt(t, i) || breaks && o.stops(t[i]) {
		return dst, i, closed
	}
	dst = append(append(dst, quote), t[blank:i]...)
	return o.bare(dst, from, t, i, breaks)
}

// bare appends t[i:] up to the next separator to a value whose quotes turned out
// to belong to it, and puts the opening one in front.
func (o *options) bare(dst []byte, from int, t []byte, i int, breaks bool) ([]byte, int, closing) {
	for i < len(t) && !o.sepAt(t, i) && !(breaks && o.stops(t[i])) {
		dst = append(dst, t[i])
		i++
	}
	dst = append(dst, 0)
	copy(dst[from+1:], dst[from:])
	dst[from] = o.Quote
	return dst, i, odd
}

// sepAt reports whether a separator begins at t[i].
func (o *options) sepAt(t []byte, i int) bool {
	return t[i] == o.Sep[0] && (len(o.Sep) == 1 || len(t)-i >= len(o.Sep) && string(t[i:i+len(o.Sep)]) == o.Sep)
}

// stops reports whether a line ends at a byte.
func (o *options) stops(c byte) bool {
	if o.Stop != 0 {
		return c == o.Stop
	}
	return c == '\n' || c == '\r'
}
