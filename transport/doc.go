// Package transport carries bytes between the processes of an application.
//
//	         Transport ── Dial ──► Conn ── Open(urgency) ──► Stream ◄── Handler
//	            │                   one peer, any number of streams      │
//	inproc      pipes               buffers in one process                │
//	local       Unix sockets        one stream a connection, pooled; descriptors
//	tcp         TCP with TLS 1.3    one stream a connection, pooled       │
//	quic        QUIC                streams of a few data connections     │
//	auto        the first of several that works                           │
//	                                                                      │
//	            Egress: what of all connections is sent next ◄── writes ──┘
//
// A stream is a request and its answer: the side that opened it writes, closes its
// half and reads; the handler reads, writes and returns.
//
// Invariants:
//
//	T1  Bytes arrive once, in order and unchanged, or the stream fails. A Read
//	    returns io.EOF only after the peer's CloseWrite, never for a peer that was
//	    lost or a handler that returned without it.
//	T2  Streams do not hold each other up: one that nobody reads stops its own
//	    writer, within the bounds of a window.
//	T3  Nothing waits for ever: whoever waits is woken by Cancel, by the context that
//	    the stream was opened with, by Close, or by the loss of the peer, which every
//	    implementation notices within LostAfter.
//	T4  Failures are *Error: who reads one knows whether to ask again, elsewhere, or
//	    not at all.
//	T5  Peers are who they say: no stream comes from, or goes to, a process whose
//	    application, role or id is another than was allowed.
//
// The package and what lies below it import the standard library, internal/identity
// and, in quic, quic-go. Every implementation passes transporttest.Run, also over
// networks that are slow, lose and break.
package transport
