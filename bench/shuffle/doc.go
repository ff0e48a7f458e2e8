// Package shuffle measures how exchange output is partitioned, encoded, carried
// and read, each beside a limit that the same run measures: so that a figure
// holds on any machine.
//
//	limits (memcpy, lz4, bare quic-go, bare crypto/tls, one process)
//	   │
//	   └─► gates: value ÷ limit against what must be reached ─► Result ─► shuffle.json ─► bench/report
//
// The parts of a process that talk to each other here are in one process: both
// ends of a connection share its cores, as on a machine whose executors all send
// and receive. Only queries over local-cluster have processes of their own.
//
// It reaches the engine through exported functions; its test runs every gate
// briefly and checks what was carried.
package shuffle
