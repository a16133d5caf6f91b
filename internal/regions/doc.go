// Package regions turns photographs into regions: feature vectors with boxes and class names. It is the
// only extractor in the module: encoding, training and evaluation all go through [Make], from the bytes of
// photos to sets of regions, with a bounded number of pictures in memory.
//
// An [Extractor] makes a region.Set of each picture. There are two kinds, both described by a
// [Config] (JSON; part of a bundle's model.json): patches, which are raw pixels and need no model,
// and ONNX, which runs any detector or backbone the user has. The answer for one picture depends on
// that picture alone: not on the others of the call or the number of threads, nor (on a CPU, bit by bit) on
// the batch size.
//
// Extractors are safe for concurrent use. The sets that they return belong to the caller.
package regions
