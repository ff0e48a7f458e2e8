package millrace

import "github.com/millrace-engine/millrace/exec/spill"

// Reserved returns the bytes that the session's queries hold.
func (s *Session) Reserved() int64 { return s.broker.Reserved() }

// Spill returns where the session's queries spill.
func (s *Session) Spill() *spill.Space { return s.spill }
