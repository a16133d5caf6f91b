// Package state saves where a run stands (parameters, moments, averages, counters) and restores it, so that a resumed run
// continues exactly as if it had not stopped. A state of another configuration, network or data set is refused with the
// differences.
package state
