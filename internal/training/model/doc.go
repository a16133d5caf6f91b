// Package model is a model as the trainer has it: a network with its parameters, its vocabulary and the source of its
// regions. It is made from a configuration or read from a bundle, takes what fits of a teacher, and is saved as a bundle.
package model
