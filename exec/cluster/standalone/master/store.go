package master

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/millrace-engine/millrace/internal/diag"
)

// store keeps the drivers in a file: drivers.json, or the one of a lease, so that a
// leader that was replaced does not write over what the next one keeps.
type store struct {
	path  string
	lease *Lease
}

const driversName = "drivers"

// openStore uses a directory, which it makes if it is not there, and reads the newest
// file there.
func openStore(dir string, lease *Lease) (store, []Driver, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return store{}, nil, diag.New(diag.PathDenied, "the directory %s of the master cannot be made: %v", dir, err).WithPath(dir).WithCause(err)
	}
	s := store{filepath.Join(dir, driversName+".json"), lease}
	from, newest := s.path, 0
	if lease != nil {
		s.path = filepath.Join(dir, fmt.Sprintf("%s-%d.json", driversName, lease.n))
		files, err := filepath.Glob(filepath.Join(dir, driversName+"-*.json"))
		if err != nil {
			return s, nil, err
		}
		for _, f := range files {
			name := strings.TrimSuffix(filepath.Base(f), ".json")
			if n, err := strconv.Atoi(strings.TrimPrefix(name, driversName+"-")); err == nil && n > newest {
				newest, from = n, f
			}
		}
	}
	b, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil, nil
	}
	var drivers []Driver
	if err == nil {
		err = json.Unmarshal(b, &drivers)
	}
	if err != nil {
		return s, nil, diag.New(diag.CorruptFile, "%s, where the master keeps its drivers, cannot be read: %v", from, err).WithPath(from).WithCause(err).
			WithRemedy("move it away to begin without them")
	}
	return s, drivers, nil
}

// save replaces the file at once. It fails with errDeposed if another master leads.
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
	if err := os.Rename(f.Name(), s.path); err != nil || s.lease == nil {
		return err
	}
	return s.lease.Check()
}
