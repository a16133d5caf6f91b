// Package train trains ALADIN models (Messina et al., CBMI 2022) on a machine's cores or a GPU, without Python.
//
// # A run
//
// A [Run] takes a [Model], new or loaded from a bundle, [Data] and a [Config], and writes into one folder: model/, the
// best model so far as a bundle, which aladin.OpenModel opens; last/, all that resuming needs; metrics.jsonl,
// tensorboard/ and report.html, the losses of every step and the recalls of every validation.
//
//	cfg, err := train.LoadConfig("photos", "training: {epochs: 3}")
//	model, err := train.NewModel("mine", cfg, data)
//	run := &train.Run{Config: cfg, Model: model, Data: data, Val: dev, Dir: "run"}
//	best, err := run.Do(ctx)
//
// Forward pass, losses and backward pass are one ONNX graph, which ONNX Runtime executes. The parameters live in Go
// slices; between two steps the optimiser updates them in place while the next batches are prepared in the background.
//
// # Reproducibility and resuming
//
// A batch, its dropout masks and its learning rate depend only on the configuration's seed and the step's number. On one
// machine with one number of threads a run repeats bit for bit, and a run that was interrupted and resumed ends exactly
// like one that was not. When its context ends, Do saves its state first; a process that is killed loses the steps since
// the last save (training.save-every) and nothing else, since a state replaces the previous one only once it is complete.
//
// # Concurrency
//
// A Run and its Model belong to one goroutine, from which Observe is called. [Images.Load] is called from several
// goroutines at once.
package train
