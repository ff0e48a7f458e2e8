package partition

import (
	"fmt"
	"strings"
)

// null is the directory value of null.
const null = "__HIVE_DEFAULT_PARTITION__"

// escaped reports the bytes that Hive and Spark write as %XX.
func escaped(c byte) bool {
	return c < ' ' || c == 0x7f || strings.IndexByte(`"#%'*/:=?\{[]^`, c) >= 0
}

// escape makes a name or value a part of a path.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if escaped(s[i]) {
			fmt.Fprintf(&b, "%%%02X", s[i])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// unescape is the inverse of escape; what is no %XX stays.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := digit(s[i+1]), digit(s[i+2])
			if hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// digit returns the value of a hexadecimal digit, or −1.
func digit(c byte) int { return strings.IndexByte("0123456789abcdef", c|0x20) }

// directory returns the directory of a column's value; "" stands for null.
func directory(column, value string) string {
	if value == "" {
		value = null
	}
	return escape(column) + "=" + escape(value)
}
