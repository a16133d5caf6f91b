// Package step compiles a training step: forward pass, losses and backward pass as one ONNX graph. The parameters live in
// Go slices that the graph reads in place; its outputs are the losses and the gradients, of which those of embedding
// tables list only the rows that a batch touched. Dropout masks come from outside the graph, so the seed alone decides
// them.
package step
