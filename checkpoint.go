package millrace

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
	"github.com/millrace-engine/millrace/internal/settings"
)

// Checkpoint computes the frame, writes its rows to files and returns a frame that
// reads them: what they were made of is not needed any more, whichever executors are
// lost. The files lie below the setting checkpoint.dir and stay there; where that is
// empty they go with the session.
func (d *DataFrame) Checkpoint(ctx context.Context) (*DataFrame, error) {
	dir, err := d.s.checkpoints()
	if err != nil {
		return nil, at(caller(), err)
	}
	path := filepath.Join(dir, "checkpoint-"+strings.ToLower(rand.Text()[:12]))
	if err := d.Write().Arrow(ctx, path); err != nil {
		return nil, err
	}
	out := d.s.Read().Arrow(path)
	out.call = caller()
	return out, nil
}

// checkpoints returns the directory for checkpoints.
func (s *Session) checkpoints() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if dir := s.conf.Get(settings.CheckpointDir).Text; dir != "" {
		return dir, nil
	}
	if s.place.Cluster != "" {
		return "", diag.New(diag.InvalidSetting, "there is no directory for checkpoints").WithRemedy("name one that all hosts see by %s", settings.CheckpointDir)
	}
	if s.scratch == "" {
		dir, err := os.MkdirTemp("", "millrace-checkpoints-*")
		if err != nil {
			return "", fs.ExplainWrite(err, os.TempDir())
		}
		s.scratch = dir
	}
	return s.scratch, nil
}
