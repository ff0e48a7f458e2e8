// Package link carries streams over connections of the network, one stream at a
// time on each, for tcp and local.
//
//	client  WELCOME? ◄──────────────────────────── server, once it knows who asks
//	        OPEN urgency, deadline ──►
//	        DATA … END ──►           ◄── DATA … END     then the next OPEN
//	        CANCEL code ──►          ◄── CANCEL code    then the connection is closed
//	        PING ──►                 ◄── PONG           between streams
//
//	record  kind uint8 | length uint32, little-endian | bytes
//
// Invariants:
//
//	L1  A connection goes back to the pool only when both sides have sent END and
//	    nothing is left unread; every other one is closed.
//	L2  No record is longer than transport.Quantum, and a reader allocates nothing
//	    for it: what breaks the form ends the connection.
//	L3  A record is written whole, after the egress said so, or the connection ends.
package link
