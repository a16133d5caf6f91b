// Package report is what a run tells of itself: events while it runs, metrics.jsonl and TensorBoard's event files, and a
// page with the curves.
package report
