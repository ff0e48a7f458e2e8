// Package decode reads the pages of Parquet column chunks.
//
//	chunk: [dictionary page] data page, data page …
//	page:  header │ definition levels │ values    (compressed as a whole, or V2: the values)
//
//	Pages.Next ─► Page ─► Levels.Bits: which rows have a value
//	                  └─► Values: Codes of a dictionary, or values in plain layout
//
// Nothing is decoded that is not asked for: a page that is skipped is not
// decompressed, and levels and values are taken from it a batch at a time.
//
// Invariants:
//
//   - D1 Memory is bounded by what lies in the file: lengths are checked against
//     the bytes that are there before anything is allocated, counts are not
//     trusted at all.
//   - D2 Damaged input is an error, never a panic and never a read beyond a
//     buffer.
//   - D3 What a Page refers to lives until the Free after the next page is read:
//     a batch may end in one page and begin in another.
//
// It imports columnar (with kernel and memory), codecs, and of parquet-go the
// numbering of codecs and encodings. Tests compare with parquet-go's decoders;
// fuzzing is done through the connector.
package decode
