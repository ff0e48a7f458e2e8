// Package planner turns an optimized logical plan into a physical one: it
// chooses algorithms, binds columns to positions and places exchanges.
//
//	need (columns wanted above) ──► plan(node) ──► physical node, its attributes,
//	                                               its distribution over tasks
//
// The planner knows the topology. With one executor a join's build side is one
// shared table and its probe side is never exchanged; with several, small build
// sides are broadcast and others are partitioned alike. An exchange is left out
// where the distribution below already serves.
//
// It imports logical, physical, expr and optimize (for estimates), and is tested
// by goldens and by running.
package planner
