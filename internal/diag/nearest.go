package diag

import "strings"

// longest is the longest name, in bytes, that slips are counted in.
const longest = 200

// Nearest returns the name that a misspelt one was probably meant to be, without
// regard to case: the one with the fewest slips, the first of equals, "" if none
// has at most limit of them.
func Nearest(name string, names []string, limit int) string {
	best, least := "", limit+1
	for _, n := range names {
		if k := Slips(name, n); k < least {
			best, least = n, k
		}
	}
	return best
}

// Slips is the optimal string alignment distance in bytes, without case: how many
// insertions, deletions, replacements and swaps of neighbours lie between two
// names. Names past 200 bytes are as far apart as can be.
func Slips(a, b string) int {
	if len(a) > longest || len(b) > longest {
		return longest
	}
	a, b = strings.ToLower(a), strings.ToLower(b)
	// The rows of the last character of a, the one before it, and this one's.
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range len(b) {
			k := last[j]
			if a[i] != b[j] {
				k++
			}
			k = min(k, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				k = min(k, before[j-1]+1)
			}
			row[j+1] = k
		}
	}
	return row[len(b)]
}
