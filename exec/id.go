package exec

import (
	"cmp"
	"fmt"
)

// TaskID names one attempt of one task.
type TaskID struct{ Job, Stage, StageAttempt, Task, Attempt int }

// String prints "job 3 stage 5.1 task 12.0".
func (t TaskID) String() string {
	return fmt.Sprintf("job %d stage %d.%d task %d.%d", t.Job, t.Stage, t.StageAttempt, t.Task, t.Attempt)
}

// Compare orders attempts by job, stage, attempt of the stage, task and attempt.
func (t TaskID) Compare(o TaskID) int {
	return cmp.Or(t.Job-o.Job, t.Stage-o.Stage, t.StageAttempt-o.StageAttempt, t.Task-o.Task, t.Attempt-o.Attempt)
}

// StageID names one attempt of a stage.
type StageID struct{ Job, Stage, Attempt int }

func (s StageID) String() string { return fmt.Sprintf("job %d stage %d.%d", s.Job, s.Stage, s.Attempt) }

// ExecutorID names an executor.
type ExecutorID string

// Keys is the keys that rows have which a runtime filter is made of, encoded by
// exec/op/keyset.
type Keys struct {
	Filter int // id of the filter within the query
	Set    []byte
}

// Kept is a partition of a cached dataset that an executor holds: its rows, and the
// bytes that they take in memory when all of them are there.
type Kept struct {
	Dataset, Partition, Attempt int
	Rows, Bytes                 int64
}

// Update is what a task adds to an accumulator of the session, encoded by
// exec/op/accumulate.
type Update struct {
	Accumulator int
	Values      []byte
}
