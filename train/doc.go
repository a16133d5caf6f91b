// Package train trains ALADIN models (Messina et al., CBMI 2022) on a machine's cores or a GPU, without
// Python: networks of package nn, gradients of package graph, ONNX Runtime for the arithmetic.
//
// # A run
//
// A [Run] takes a [Model] (a new one, a bundle or an imported checkpoint), [Data] and a [Config], and
// writes into one folder: model/, the best model so far as a bundle; last/, all that resuming needs;
// metrics.jsonl and tensorboard/, the figures of every step and validation.
//
// NewStep compiles forward pass, losses and backward pass into one ONNX graph. The parameters live in Go
// slices that the graph reads in place; its outputs are the losses and the gradients, of which those of
// looked-up tables list only the rows that a batch touched. Between two steps the [Optimizer] updates the
// slices, while the next batches are prepared in the background. Dropout masks come from outside the graph,
// so the seed alone decides them.
//
// # Repeating and resuming
//
// What a batch holds, its dropout masks and its learning rate depend on the configuration's seed and the
// step's number alone. On one machine with one number of threads a run repeats bit for bit, and a run that
// was interrupted and resumed is the run that was not: losses, validations, parameters. When its context
// ends, Do saves what was done first; a process that is killed loses the steps since the last save
// (training.save-every), never the save before: states are replaced only once the new one is whole.
//
// # Configurations
//
// A [Config] is the YAML of the released code with the settings of its command line and of networks that
// start from nothing. Unknown keys are errors. [ConfigNames] lists those that come with the package.
//
// # Concurrency
//
// A Run, its Model and an Optimizer belong to one goroutine; Observe is called from it. Data's Images are
// loaded from several goroutines at once. Configs are read only once a run has begun.
package train
