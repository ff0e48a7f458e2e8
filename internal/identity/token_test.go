package identity

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestToken: who has a cluster's token is let in, in the role that it shows; who
// has another one is not.
func TestToken(t *testing.T) {
	cluster := func(secret Token) *Authority {
		a, err := secret.Authority()
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	token := NewToken()
	a, same, wrong := cluster(token), cluster(token), cluster(NewToken())
	master := issue(t, a, Master, "m")
	client := func(c *Credential) error { // connects to the master
		s, err := meet(master.Server(protocol, Worker), c.Client(protocol, Name{App: c.Name.App, Role: Master}))
		if (s == nil) != (err == nil) {
			return fmt.Errorf("server %v, client %v", s, err)
		}
		return err
	}
	if a.App() != same.App() || a.App() == wrong.App() {
		t.Errorf("clusters %s, %s, %s", a.App(), same.App(), wrong.App())
	}
	if err := client(issue(t, same, Worker, "w")); err != nil {
		t.Errorf("a worker with the token: %v", err)
	}
	if err := client(issue(t, wrong, Worker, "w")); err == nil {
		t.Error("a worker with another token is let in")
	}
	if err := client(issue(t, same, Client, "c")); err == nil {
		t.Error("a client is let in where workers are")
	}
	if s := fmt.Sprintf("%v %s %x %+v", token, token, token, token); strings.Contains(s, token.Secret()[len(tokenPrefix):]) {
		t.Errorf("a token shows itself: %s", s)
	}
	if got, err := ParseToken(token.Secret() + "\n"); err != nil || got != token {
		t.Errorf("a token's text does not read back: %v", err)
	}
	for _, s := range []string{"", "millrace-token-1-", token.Secret()[1:], token.Secret() + "0", strings.Replace(token.Secret(), "-1-", "-2-", 1)} {
		if _, err := ParseToken(s); err == nil {
			t.Errorf("%q is a token", s)
		}
	}
}

// TestTokenFile: the file is made once, for its owner alone, and not read when
// others could have.
func TestTokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "token")
	if _, err := ReadToken(path); err == nil {
		t.Error("a token is read from nowhere")
	}
	first, made, err := MakeToken(path)
	if err != nil || !made {
		t.Fatalf("made %v, %v", made, err)
	}
	again, made, err := MakeToken(path)
	if err != nil || made || again != first {
		t.Errorf("the second time: made %v, the same %v, %v", made, again == first, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	c, err := Load(path, Worker, "w1")
	if err != nil || c.Name.Role != Worker || c.Name.ID != "w1" {
		t.Errorf("loaded %v, %v", c, err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadToken(path); err == nil || !strings.Contains(err.Error(), "0600") {
		t.Errorf("a token that the group may read: %v", err)
	}
	if _, err := Load(filepath.Dir(path), Worker, "w1"); err == nil {
		t.Error("a directory is a token")
	}

	encoded, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "credential")
	if err := os.WriteFile(file, encoded, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Load(file, Worker, "another"); err != nil || got.Name != c.Name {
		t.Errorf("a credential's file: %v, %v", got, err)
	}
	if _, err := Load(file, Master, "m"); err == nil {
		t.Error("a worker's credential is taken for a master's")
	}
}
