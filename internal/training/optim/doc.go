// Package optim updates parameters: Adam with weight decay, clipping to a global norm, averages of the weights, and the
// accumulation of gradients over several batches. Its inner loops have kernels in assembly that compute the same bits.
package optim
