// Package bundle keeps a model on disk: a folder with model.json and the files it names.
//
//	model.json   what the model is: format version, sizes, tokenizer, region source, named quirks, and
//	             the size and SHA-256 of every other file
//	text.onnx    captions to embeddings      image.onnx   regions and labels to embeddings
//	align.onnx   the alignment score         vocab.txt    the tokenizer's vocabulary
//	regions.onnx the detector or backbone, in models that start from pixels (there may be several)
//	clip.onnx    CLIP's text tower, in models that read its vectors, with clip-merges.txt, its vocabulary
//
// In a model of two towers (CLIP, SigLIP) image.onnx reads pixels, and there is no align.onnx.
//
// Weights may lie in external files beside their graph, named like it with a suffix (text.onnx.data):
// those over 2 GB must, and those of towers do, because a runtime maps them. Other files in the folder are nobody's business here, and survive a save.
//
// A bundle without encoders is a skeleton: a region source that waits for training.
//
// # Trust
//
// [Open] reads and checks model.json and looks at the size of each file, so it takes no time; [Bundle.Path]
// checks a file's contents the first time it is asked for (of a large file that is remembered in the user's
// cache folder, as long as its size, time and place stay the same), [Bundle.Verify] those of all files. Whatever
// model.json says, no path outside the folder is touched.
//
// # Identity
//
// The fingerprint tells which embeddings may be compared. It covers all that decides an embedding: files
// and settings; not the description, the record of the training, or the calibration.
//
// # Saving
//
// [Create] writes a new folder beside the goal and exchanges the two when all is on disk. Killed at any
// moment, it leaves the previous model or the new one, never a mixture. The same input gives the same bytes.
//
// A Bundle is safe for concurrent use.
package bundle
