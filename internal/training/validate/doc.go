// Package validate computes a model's recalls on a data set, by which the best state of a run is chosen.
package validate
