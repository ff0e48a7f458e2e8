// Package stage cuts a physical plan at its exchanges into stages and says how
// each stage behaves when it must be run again.
//
//	Aggregate final                     stage 1 (result): Source 1 → Aggregate final
//	  Exchange 1 hash[0] into 4   ──►
//	    Aggregate partial               stage 0: Scan → Aggregate partial → exchange 1
//	      Scan lineitem
//
// Invariants:
//
//   - S1 A stage's inputs are outputs of stages with lower ids, as Cut makes them.
//     Re-planning (plan/adapt) adds stages at the end, whatever reads them.
//   - S2 An exchange that two consumers read (the same Exchange id twice in the
//     plan) is one stage.
//   - S3 Leaves of a stage are numbered from 0 in preorder.
//
// It imports physical and expr; it is tested by goldens.
package stage
