// Command library calls a database/sql driver that it does not link: the driver comes
// in an artifact, an executable that lies beside it in the session's store and runs as
// a process of the executor.
//
//	go build -o lines.driver ./examples/library/driver
//	go run ./examples/library lines.driver examples/library/capitals.txt
//
// It imports the public packages alone. Its test runs it on executors of their own,
// without the artifact, with it, and with two versions of it.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/millrace-engine/millrace"
	"github.com/millrace-engine/millrace/artifacts/database"
)

func register(r *millrace.Registry) { millrace.Scalar3(r, "lookup", lookup) }

// open has the databases of this process by library and file.
var open sync.Map

// lookup asks the driver in a library for the value of a key in a file.
func lookup(library, file, key string) (value millrace.Null[string]) {
	path, err := millrace.ArtifactPath(file)
	check(err)
	db, ok := open.Load(library + "\n" + path)
	if !ok {
		fresh, err := database.Open(library, path)
		check(err)
		var other bool
		if db, other = open.LoadOrStore(library+"\n"+path, fresh); other {
			check(fresh.Close())
		}
	}
	err = db.(*sql.DB).QueryRow("SELECT value WHERE key = ?", key).Scan(&value.Value)
	if errors.Is(err, sql.ErrNoRows) {
		return value
	}
	check(err)
	value.Valid = true
	return value
}

// check makes an error the query's.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	millrace.Main(register)
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: library DRIVER FILE")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, driver, file string) error {
	s, err := millrace.Open(ctx, "local-cluster[1,2,512]")
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.AddLibrary(ctx, driver); err != nil {
		return err
	}
	if _, err := s.AddFile(ctx, file); err != nil {
		return err
	}
	d, err := s.SQL(ctx, fmt.Sprintf("SELECT x, lookup('%s', '%s', x) AS capital FROM VALUES ('France'), ('Kenya'), ('Atlantis') AS t(x)", filepath.Base(driver), filepath.Base(file)))
	if err != nil {
		return err
	}
	text, err := d.Show(ctx, 20)
	fmt.Print(text)
	return err
}
