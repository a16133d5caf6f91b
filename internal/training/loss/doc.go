// Package loss builds the losses of ALADIN as graphs. S is a batch's score matrix [B, B], images × captions, with the
// positive pairs on the diagonal; every loss is a scalar.
package loss
