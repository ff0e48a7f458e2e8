// Package file is the form in which the output of a map task lies in a file, an
// .mrs file: what outlives the process that wrote it and is read by others.
//
//	header     magic, version, flags, job, exchange, map task, attempt, partitions,
//	           length and xxh64 of the schema, CRC32C of the header       64 bytes
//	schema     as columnar/chunk encodes it
//	chunks     as columnar/chunk encodes them, in the order in which they were
//	           written; each is self-contained, dictionaries included
//	directory  per chunk {offset, stored, rows, xxh64}, by partition, then in order
//	index      per partition with rows {partition, chunks, rows, bytes, row hash}
//	footer     number of chunks and of partitions with rows, where the directory
//	           begins, the total of rows and row hash, xxh64 of header to index
//	           without the chunks, xxh64 of the footer, magic             80 bytes
//
// Numbers are little-endian. Chunks of many partitions lie in one file as they
// come: nothing is held back or copied to sort them, since whoever reads has the
// directory.
//
// Invariants:
//
//   - M1 A file has its name only when it is whole: it is written under a temporary
//     name, footer last, then renamed. Two attempts have two names.
//   - M2 A file that is cut, or anything else, is not opened: ErrAbsent when no
//     footer is there, ErrCorrupt when one is and does not fit.
//   - M3 No byte is taken for rows before its checksum was compared, and opening
//     allocates at most a few times the bytes of the file.
//   - M4 Who reads a partition to its end knows that these are the rows that were
//     written, in their order: number and hash are compared (shuffle.Sum).
//
// It imports columnar, columnar/chunk, shuffle and xxhash. It is tested by round
// trips of all types, flipped bits, truncation, and by fuzzing the footer.
package file
