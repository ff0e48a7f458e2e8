// Package identity says who a process is, and proves it by TLS.
//
//	driver:    NewAuthority(app) ─► Issue(Executor, "3") ─► Credential.Encode
//	executor:  Decode ─► Credential.Server / Credential.Client ─► *tls.Config
//
// Each application has a certificate authority of its own, which lives in its
// driver's memory alone and dies with it. A certificate names its holder in a URI,
// millrace://APP/ROLE/ID.
//
// A standalone cluster has one too. Its key is derived from the cluster's token, a
// secret in a file: whoever can read the token makes its own certificate, in a
// role, and knows the others by theirs. Nothing ever listens without mutual TLS.
//
//	token file ─► Token.Authority ─► Issue(Worker, "w1")
//
// Invariants:
//
//	I1  TLS 1.3 on both sides; both verify the chain, the time, the application and
//	    the role of the other, the client also the id, at every handshake: there is
//	    no session resumption and no early data.
//	I2  Names are made of letters, digits, "-", "_" and ".", and never of dots alone,
//	    so that they can be parts of paths and of URIs.
//	I3  Private keys leave a process only by Encode.
//	I4  A token is read from a file that nobody else may read, or not at all.
//
// It imports the standard library only. Tests hand it wrong, expired and foreign
// certificates and tokens.
package identity
