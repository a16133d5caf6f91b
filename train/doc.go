// Package train trains ALADIN models (Messina et al., CBMI 2022) in Go, without Python: configurations,
// losses, optimiser, the training loop and its checkpoints.
//
// A [Run] takes a [Config], a [Model] to start from and [Data]. It compiles forward pass, losses and
// gradients into one ONNX graph (see the packages train/graph and internal/nn), runs that graph on the
// inference runtime, and applies Adam in Go, in place:
//
//	DIR/model/          the best model so far, a bundle
//	DIR/last/           parameters, moments and place, from which Resume goes on
//	DIR/metrics.jsonl   a line a step and a validation
//	DIR/tensorboard/    the same for TensorBoard
//	DIR/report.html     the curves, by WriteReport
//
// # What repeats
//
// What a step does depends on the seed and the step's number alone: the order of the pairs, the views,
// the dropout masks. On one machine with one number of threads a run repeats bit for bit, and a run that
// was interrupted and resumed ends as if it had not been.
//
// # Concurrency
//
// A Run belongs to one goroutine; Images must be safe for concurrent use, because batches are made ready
// while the step before them runs. Files in DIR are replaced whole, so they may be read at any time.
package train
