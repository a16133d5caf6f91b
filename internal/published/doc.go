// Package published reads the model files that others have published, ALADIN's checkpoints, VinVL's
// backbone and plain BERT folders, and writes them.
//
// # What is read
//
// A checkpoint (checkpoint.pth.tar, model_best_rsum.pth.tar) holds the parameters of the network and the
// dicts "config" (the training YAML) and "opt" (the command line). It says nothing of the encoder's shape;
// that stands in config.json of the backbone's folder, which also has the vocabulary. So a [Model] is read
// from both, or from the folder alone: then the encoder is the folder's and everything else is fresh.
//
// A folder is VinVL's (config.json, pytorch_model.bin, vocab.txt, training_args.bin) or any of Hugging Face
// with BERT in it (config.json, model.safetensors or pytorch_model.bin, vocab.txt).
//
// # Names
//
// The network's parameters bear the checkpoint's names (img_txt_enc.oscar_model.bert.…). Names of other
// files are brought to that form: a prefix "module." goes, folders lack "img_txt_enc.oscar_model." and
// perhaps "bert.", and old normalisations say gamma and beta.
//
// # Nothing is lost
//
// What a network does not need (pooler, classifier, img_proj, cap_proj, …) and what is no tensor goes into
// one small file beside the bundle's graphs, [KeptFile], so that [Export] can write the checkpoint again,
// tensor for tensor.
//
// # Memory
//
// Files are mapped. [Model.Values] aliases the file where the type is float32 and the data aligned; such
// slices are read-only and end with [Model.Close].
package published

import "errors"

var (
	// ErrBackbone is returned when a backbone's folder lacks a file or describes no encoder that is known here.
	ErrBackbone = errors.New("published: unusable backbone folder")
	// ErrCheckpoint is returned when a file is no checkpoint of ALADIN, or its settings make no sense.
	ErrCheckpoint = errors.New("published: unusable checkpoint")
	// ErrTensors is returned when tensors that the network needs are missing or of another shape; the
	// message names all of them.
	ErrTensors = errors.New("published: tensors do not fit the network")
	// ErrOptimizer is returned when a checkpoint has no state of Adam that fits its parameters.
	ErrOptimizer = errors.New("published: unusable optimizer state")
)
