package master

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/millrace-engine/millrace/internal/diag"
)

// store keeps the drivers in a file.
type store struct{ path string }

// openStore uses a directory, which it makes if it is not there.
func openStore(dir string) (store, []Driver, error) {
	s := store{filepath.Join(dir, "drivers.json")}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return s, nil, diag.New(diag.PathDenied, "the directory %s of the master cannot be made: %v", dir, err).WithPath(dir).WithCause(err)
	}
	b, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil, nil
	}
	var drivers []Driver
	if err == nil {
		err = json.Unmarshal(b, &drivers)
	}
	if err != nil {
		return s, nil, diag.New(diag.CorruptFile, "%s, where the master keeps its drivers, cannot be read: %v", s.path, err).WithPath(s.path).WithCause(err).
			WithRemedy("move it away to begin without them")
	}
	return s, drivers, nil
}

// save replaces the file at once.
func (s store) save(drivers []Driver) error {
	b, err := json.MarshalIndent(drivers, "", " ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(s.path), ".drivers-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), s.path)
}
