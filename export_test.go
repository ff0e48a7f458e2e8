package millrace

// Reserved returns the bytes that the session's queries hold.
func (s *Session) Reserved() int64 { return s.broker.Reserved() }
