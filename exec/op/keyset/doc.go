// Package keyset is which values a key column has, and what drops rows that have
// none of them: the runtime filters of joins.
//
//	build side in this stage ── NewFilter ───────────────────────────► filter ─► scan
//	exchange ─► Collector ─► Set ═report═► Unite ═► Set.Filter ──────► filter ─► scan,
//	            a task's      bytes  driver    bytes  each executor              exchange
//
// Invariants:
//
//   - K1 A filter never drops a row whose key is in the set. It may pass others:
//     sets are told by their range alone when they grow too large, filters forget
//     what memory has no room for.
//   - K2 A set that is united or sent stays the set: the same keys, each once.
//   - K3 Decoding takes no more memory than eight times its input.
//
// Nulls are in no set: they match nothing. It imports op, connector and columnar,
// and is tested by random keys against what they are; the decoder is fuzzed.
package keyset
