package tpch

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/millrace-engine/millrace/connector/fs"
	"github.com/millrace-engine/millrace/internal/diag"
)

//go:embed answers/*.tar.gz
var embedded embed.FS

// Answers are the expected rows of the queries at one scale factor.
type Answers struct{ files map[int][][]string }

// AnswersAt returns the embedded answers of a scale factor; ok is false if there
// are none.
func AnswersAt(sf float64) (a *Answers, ok bool, err error) {
	b, err := embedded.ReadFile("answers/sf" + strconv.FormatFloat(sf, 'f', -1, 64) + ".tar.gz")
	if err != nil {
		return nil, false, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, false, err
	}
	a = &Answers{files: map[int][][]string{}}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return a, true, nil
		}
		if err != nil {
			return nil, false, err
		}
		var n int
		if _, err := fmt.Sscanf(filepath.Base(h.Name), "q%02d.csv", &n); err != nil {
			continue
		}
		text, err := io.ReadAll(t)
		if err != nil {
			return nil, false, err
		}
		if a.files[n], err = parse(string(text)); err != nil {
			return nil, false, err
		}
	}
}

// AnswersFrom reads q01.csv … out of a directory; queries without a file have
// no answer.
func AnswersFrom(dir string) (*Answers, error) {
	a := &Answers{files: map[int][][]string{}}
	for n := 1; n <= Queries; n++ {
		path := filepath.Join(dir, fmt.Sprintf("q%02d.csv", n))
		b, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fs.Explain(err, path)
		}
		if a.files[n], err = parse(string(b)); err != nil {
			return nil, diag.New(diag.MalformedRecord, "the answer of query %d in %s cannot be read: %v", n, dir, err).WithPath(path)
		}
	}
	if len(a.files) == 0 {
		return nil, diag.New(diag.PathNotFound, "the directory %s holds no answers", dir).WithPath(dir).WithRemedy("it needs files q01.csv to q22.csv, separated by |")
	}
	return a, nil
}

// parse reads an answer file: separated by |, quoted where needed, with a
// header, which is dropped.
func parse(s string) ([][]string, error) {
	r := csv.NewReader(strings.NewReader(s))
	r.Comma, r.FieldsPerRecord = '|', -1
	rows, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, errors.New("the file is empty; its first line must name the columns")
	}
	if len(rows) == 1 && strings.Count(strings.TrimRight(s, "\r"), "\n") > 1 { // one row of one null is an empty line
		rows = append(rows, []string{""})
	}
	return rows[1:], nil
}
