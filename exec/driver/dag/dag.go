// Package dag is the state machine that decides which tasks must exist: stages
// whose inputs are complete are submitted, lost outputs are made again.
//
//	waiting ── inputs complete ──► running ── last task done ──► complete
//	   ▲                              │                            │
//	   └────── an input was lost ─────┘◄── needed again, and lost ─┘
//
// Invariants:
//
//   - D1 It is pure: Step(event) returns actions; no clock, no goroutine, and no
//     decision depends on the order of a map.
//   - D2 A stage is submitted only while every output that it reads is there.
//   - D3 Each job ends exactly once.
//   - D4 Reports of an attempt of a stage that is not the current one are
//     ignored.
//   - D5 While an output is gone no stage that reads it runs: those that did are
//     stopped and submitted again, under a new attempt, when it is back.
//   - D6 Rows of two runs of an Unstable stage are never mixed: once somebody
//     consumed the first run, everybody who did starts afresh.
//   - D7 A stage that could use what others tell of their rows waits for them, until
//     it is hurried; so that alone never keeps a job from its end.
//   - D8 What only spare inputs need does not run before a task asked for one.
//   - D9 A job that is adaptive is re-planned whenever a stage has become complete, and
//     submits nothing until the answer is there. Only stages change that were never
//     submitted, and those that nobody needs any more are stopped: so what ran once
//     runs the same way again when its output is lost.
//
// It imports internal/diag only and is tested by stories (testdata) and,
// together with package task, by simulation.
package dag

import (
	"errors"
	"fmt"
	"slices"

	"github.com/millrace-engine/millrace/internal/diag"
)

// MaxAttempts bounds how often in a row a stage is tried because its inputs were
// gone: without any of its tasks ending meanwhile. An executor that lost all that it
// held is noticed output by output.
const MaxAttempts = 4

// Stage is a stage of a job. Parents are the stages whose outputs it reads. Unstable: a second run may yield other rows, so that everything that
// read its output is rolled back with it. Whole: its tasks share state that a
// run of some of them cannot rebuild (a join's table that remembers which rows
// matched), so that all of them run again or none. Awaits are stages whose end is
// worth waiting for, though nothing of theirs is needed (D7). Spare are stages whose
// outputs it reads only if rows that are kept elsewhere are gone: they become parents
// when a task could not read them (D8).
type Stage struct {
	ID       int
	Parents  []int
	Spare    []int
	Awaits   []int
	Tasks    int
	Unstable bool
	Whole    bool
}

// Event is what happened. Exactly one field is set.
type Event struct {
	Submit      *Submit
	Replanned   *Replanned
	TaskDone    *TaskDone
	FetchFailed *FetchFailed
	OutputsLost *OutputsLost
	SetFailed   *SetFailed
	Hurry       *Hurry
	Cancel      *Cancel
}

// Submit starts a job.
type Submit struct {
	Job      int
	Adaptive bool // it is re-planned as stages become complete (D9)
	Stages   []Stage
}

// Replanned answers a Replan: stages that are other than they were, and stages that
// are new, numbered behind those that there are.
type Replanned struct {
	Job    int
	Stages []Stage
}

// TaskDone reports a task's success.
type TaskDone struct{ Job, Stage, Attempt, Task int }

// FetchFailed reports that a task of Stage could not read the output of task Map
// of stage Writer. Map is −1 when the reader found that its view of the outputs
// is out of date: then it is only tried again. More are further tasks of Writer
// whose outputs it found gone.
type FetchFailed struct {
	Job, Stage, Attempt, Writer, Map int
	More                             []int
	Cause                            error // for the message of the job; may be nil
}

// OutputsLost reports that outputs of a job are gone with their executor.
type OutputsLost struct {
	Job     int
	Outputs []Output
}

// Output is what a task of a stage wrote.
type Output struct{ Stage, Task int }

// SetFailed reports that a task of a stage failed for good.
type SetFailed struct {
	Job, Stage, Attempt int
	Err                 error
}

// Hurry starts the stages of a job that wait for nothing that they need (D7).
type Hurry struct{ Job int }

// Cancel ends a job.
type Cancel struct {
	Job int
	Err error
}

// Action is what to do. Exactly one field is set.
type Action struct {
	Run      *Run
	Lost     *Lost
	Kill     *Kill
	EndStage *EndStage
	Replan   *Replan
	Done     *Done
}

// Replan asks for another plan of the stages of a job that are open: which were never
// submitted.
type Replan struct {
	Job  int
	Open []int
}

// Run asks for tasks of a stage attempt.
type Run struct {
	Job, Stage, Attempt int
	Tasks               []int
}

// Lost says that a task's output is gone and must be unregistered.
type Lost struct{ Job, Stage, Task int }

// Kill asks to stop the running tasks of a stage attempt.
type Kill struct{ Job, Stage, Attempt int }

// EndStage says that a stage attempt has no more tasks to run. Complete: because
// the stage is complete.
type EndStage struct {
	Job, Stage, Attempt int
	Complete            bool
}

// Done ends a job.
type Done struct {
	Job int
	Err error
}

// Scheduler is the state.
type Scheduler struct{ jobs map[int]*job }

// New returns a scheduler without jobs.
func New() *Scheduler { return &Scheduler{jobs: map[int]*job{}} }

type job struct {
	id       int
	stages   []*stage
	adaptive bool
	planning bool // it waits for the answer to a Replan
}

type stage struct {
	Stage
	children []*stage
	last     bool // its end is that of the job
	begun    bool // it was submitted
	attempt  int
	running  bool
	waits    bool // for others that it could do without
	hurried  bool // it waits no more
	failures int  // because of inputs that were gone, since a task ended
	done     []bool
	left     int
}

// progressed reports whether a run of the stage has consumed any of its inputs.
func (st *stage) progressed() bool { return st.running || st.left < st.Tasks }

// Jobs returns the number of jobs that have not ended.
func (s *Scheduler) Jobs() int { return len(s.jobs) }

// Complete reports whether every output of a stage is there.
func (s *Scheduler) Complete(job, stage int) bool {
	_, st := s.find(job, stage)
	return st != nil && st.left == 0
}

// Waiting returns the jobs with stages that wait for nothing that they need,
// ascending.
func (s *Scheduler) Waiting() []int {
	var out []int
	for id, j := range s.jobs {
		if slices.ContainsFunc(j.stages, func(st *stage) bool { return st.waits }) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// Step takes an event and returns what to do, in order.
func (s *Scheduler) Step(e Event) []Action {
	switch {
	case e.Submit != nil:
		return s.submit(e.Submit)
	case e.Replanned != nil:
		return s.replanned(e.Replanned)
	case e.TaskDone != nil:
		return s.taskDone(e.TaskDone)
	case e.FetchFailed != nil:
		return s.fetchFailed(e.FetchFailed)
	case e.OutputsLost != nil:
		return s.outputsLost(e.OutputsLost)
	case e.SetFailed != nil:
		f := e.SetFailed
		j, st := s.find(f.Job, f.Stage)
		if st == nil || st.attempt != f.Attempt || !st.running {
			return nil
		}
		return s.end(j, nil, f.Err)
	case e.Hurry != nil:
		if j, ok := s.jobs[e.Hurry.Job]; ok {
			for _, st := range j.stages {
				st.hurried = st.hurried || st.waits
			}
			return s.advance(j, nil)
		}
	case e.Cancel != nil:
		if j, ok := s.jobs[e.Cancel.Job]; ok {
			return s.end(j, nil, e.Cancel.Err)
		}
	}
	return nil
}

func (s *Scheduler) submit(e *Submit) []Action {
	j := &job{id: e.Job, adaptive: e.Adaptive}
	for _, st := range e.Stages {
		j.put(st)
	}
	j.link()
	spare := make([]bool, len(j.stages)) // somebody may read it, later
	for _, st := range j.stages {
		for _, p := range st.Spare {
			spare[p] = true
		}
	}
	for i, st := range j.stages {
		st.last = len(st.children) == 0 && !spare[i]
	}
	s.jobs[j.id] = j
	return s.advance(j, nil)
}

// put takes a stage in, in the place of the one with its id.
func (j *job) put(st Stage) {
	x := &stage{Stage: st, done: make([]bool, st.Tasks), left: st.Tasks}
	if st.ID < len(j.stages) {
		x.last, x.hurried = j.stages[st.ID].last, j.stages[st.ID].hurried
		j.stages[st.ID] = x
		return
	}
	j.stages = append(j.stages, x)
}

// link finds out who reads whom.
func (j *job) link() {
	for _, st := range j.stages {
		st.children = nil
	}
	for _, st := range j.stages {
		for _, p := range st.Parents {
			if w := j.stages[p]; !slices.Contains(w.children, st) {
				w.children = append(w.children, st)
			}
		}
	}
}

// replanned takes another plan in (D9).
func (s *Scheduler) replanned(e *Replanned) []Action {
	j, ok := s.jobs[e.Job]
	if !ok || !j.planning {
		return nil
	}
	j.planning = false
	for _, st := range e.Stages {
		if st.ID > len(j.stages) || st.ID < len(j.stages) && j.stages[st.ID].begun {
			return s.end(j, nil, fmt.Errorf("stage %d cannot be re-planned", st.ID))
		}
		j.put(st)
	}
	j.link()
	var acts []Action
	needed := j.needed()
	for i, st := range j.stages {
		if !needed[i] {
			acts = j.stop(st, acts)
		}
	}
	return s.advance(j, acts)
}

func (s *Scheduler) find(jobID, stageID int) (*job, *stage) {
	j, ok := s.jobs[jobID]
	if !ok || stageID < 0 || stageID >= len(j.stages) {
		return nil, nil
	}
	return j, j.stages[stageID]
}

func (s *Scheduler) taskDone(d *TaskDone) []Action {
	j, st := s.find(d.Job, d.Stage)
	if st == nil || st.attempt != d.Attempt || !st.running || d.Task < 0 || d.Task >= len(st.done) || st.done[d.Task] { // D4
		return nil
	}
	st.done[d.Task], st.failures = true, 0
	st.left--
	if st.left > 0 {
		return nil
	}
	st.running = false
	acts := []Action{{EndStage: &EndStage{d.Job, d.Stage, d.Attempt, true}}}
	if j.adaptive && !st.last && !j.planning {
		r := &Replan{Job: j.id}
		for _, x := range j.stages {
			if !x.begun {
				r.Open = append(r.Open, x.ID)
			}
		}
		if len(r.Open) > 0 {
			j.planning = true
			acts = append(acts, Action{Replan: r})
		}
	}
	return s.advance(j, acts)
}

// needed reports which stages the end of the job depends on: the last ones, and those
// that a needed one reads that is not complete. An output that is lost after its
// readers are done stays lost.
func (j *job) needed() []bool {
	known, out := make([]bool, len(j.stages)), make([]bool, len(j.stages))
	var need func(st *stage) bool
	need = func(st *stage) bool {
		if !known[st.ID] {
			known[st.ID] = true
			out[st.ID] = st.last
			for _, c := range st.children {
				if c.left > 0 && need(c) {
					out[st.ID] = true
				}
			}
		}
		return out[st.ID]
	}
	for _, st := range j.stages {
		need(st)
	}
	return out
}

// advance submits what can run, and ends the job when all of its last stages
// are complete.
func (s *Scheduler) advance(j *job, acts []Action) []Action {
	needed := j.needed()
	left := false
	for _, st := range j.stages {
		left = left || needed[st.ID] && st.left > 0
	}
	switch {
	case !left:
		return s.end(j, acts, nil)
	case j.planning:
		return acts
	}
	for i, st := range j.stages {
		st.waits = false
		if !needed[i] || st.left == 0 || st.running || !j.ready(st) {
			continue
		}
		if st.waits = !st.hurried && slices.ContainsFunc(st.Awaits, func(a int) bool { return needed[a] && j.stages[a].left > 0 }); st.waits {
			continue
		}
		r := &Run{Job: j.id, Stage: st.ID, Attempt: st.attempt}
		for t, done := range st.done {
			if !done {
				r.Tasks = append(r.Tasks, t)
			}
		}
		st.running, st.begun = true, true
		acts = append(acts, Action{Run: r})
	}
	return acts
}

// ready reports whether every output that a stage reads is there (D2).
func (j *job) ready(st *stage) bool {
	for _, p := range st.Parents {
		if j.stages[p].left > 0 {
			return false
		}
	}
	return true
}

// stop ends the running attempt of a stage, if any.
func (j *job) stop(st *stage, acts []Action) []Action {
	if !st.running {
		return acts
	}
	acts = append(acts, Action{Kill: &Kill{j.id, st.ID, st.attempt}}, Action{EndStage: &EndStage{j.id, st.ID, st.attempt, false}})
	st.running = false
	st.attempt++
	if st.Whole {
		acts = j.forget(st, acts)
	}
	return acts
}

// forget drops everything that a stage has done.
func (j *job) forget(st *stage, acts []Action) []Action {
	for t, done := range st.done {
		if done {
			acts = append(acts, Action{Lost: &Lost{j.id, st.ID, t}})
			st.done[t] = false
		}
	}
	st.left = st.Tasks
	return acts
}

// lose marks outputs of a stage as gone, stops who reads them (D5) and rolls
// back who must not see rows of two runs (D6).
func (j *job) lose(w *stage, tasks []int, acts []Action) []Action {
	lost := false
	for _, t := range tasks {
		if t >= 0 && t < len(w.done) && w.done[t] {
			w.done[t] = false
			w.left++
			lost = true
			acts = append(acts, Action{Lost: &Lost{j.id, w.ID, t}})
		}
	}
	if !lost {
		return acts
	}
	if w.running { // what is missing now runs under one attempt
		acts = j.stop(w, acts)
	} else {
		w.attempt++
	}
	consumed := false
	for _, c := range w.children {
		consumed = consumed || c.progressed()
	}
	if w.Whole || w.Unstable && consumed {
		acts = j.forget(w, acts)
	}
	for _, c := range w.children {
		acts = j.stop(c, acts)
		if w.Unstable && c.left < c.Tasks {
			acts = j.lose(c, everything(c.Tasks), acts)
		}
	}
	return acts
}

func everything(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func (s *Scheduler) fetchFailed(f *FetchFailed) []Action {
	j, st := s.find(f.Job, f.Stage)
	if st == nil || st.attempt != f.Attempt || !st.running { // D4
		return nil
	}
	acts := j.stop(st, nil)
	if slices.Contains(st.Spare, f.Writer) { // D8
		for _, p := range st.Spare {
			st.Parents = append(st.Parents, p)
			j.stages[p].children = append(j.stages[p].children, st)
		}
		st.Spare = nil
		return s.advance(j, acts)
	}
	st.failures++
	if st.failures >= MaxAttempts {
		return s.end(j, acts, errInputs(st.ID, f.Cause))
	}
	if _, w := s.find(f.Job, f.Writer); w != nil && f.Map >= 0 {
		acts = j.lose(w, append([]int{f.Map}, f.More...), acts)
	}
	return s.advance(j, acts)
}

// errInputs is the end of a job whose stage lost its inputs again and again: of what
// they were lost by, with its place and remedy, where that is known.
func errInputs(stage int, cause error) error {
	text := fmt.Sprintf("stage %d was tried %d times in a row and its inputs were lost each time", stage, MaxAttempts)
	var known *diag.Error
	if errors.As(cause, &known) && known.Class != diag.Internal {
		e := *known
		e.Message = known.Message + "; " + text
		return e.WithCause(cause)
	}
	if cause != nil {
		text += fmt.Sprintf(": %v", cause)
	}
	return diag.New(diag.ClusterFailed, "%s", text).WithCause(cause).
		WithRemedy("executors or their disks fail too often; the logs of their workers say more")
}

func (s *Scheduler) outputsLost(e *OutputsLost) []Action {
	j, ok := s.jobs[e.Job]
	if !ok {
		return nil
	}
	by := make([][]int, len(j.stages))
	for _, o := range e.Outputs {
		if o.Stage >= 0 && o.Stage < len(by) {
			by[o.Stage] = append(by[o.Stage], o.Task)
		}
	}
	var acts []Action
	for i, tasks := range by {
		acts = j.lose(j.stages[i], tasks, acts)
	}
	return s.advance(j, acts)
}

// end ends a job: the last of the actions (D3).
func (s *Scheduler) end(j *job, acts []Action, err error) []Action {
	for _, st := range j.stages {
		acts = j.stop(st, acts)
	}
	delete(s.jobs, j.id)
	return append(acts, Action{Done: &Done{j.id, err}})
}
