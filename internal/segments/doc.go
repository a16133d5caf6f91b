// Package segments finds regions of a picture that look like things, without a model and without training: what a
// detector does for those who have one. It is plain Go and takes a few milliseconds a picture.
//
// A picture is partitioned at several scales by the graph-based method of Felzenszwalb and Huttenlocher (Efficient
// Graph-Based Image Segmentation, IJCV 59, 2004). The segments of each partition are then merged two by two, the most
// alike neighbours first, as in Selective Search (Uijlings et al., IJCV 104, 2013), so that a striped ball becomes one
// segment although its stripes differ. Every segment on the way is a candidate. Candidates are ranked by how much they
// stand out from what surrounds them, near-copies are dropped, and the best are kept.
//
// The features of a segment keep form and colour apart: histograms of oriented gradients of the pixels under its box
// (Dalal and Triggs, CVPR 2005), its outline, the colours inside its outline, and its size and place.
//
// Everything is computed in an order that the picture alone determines: the same pixels give the same regions and the
// same features on every machine and with any number of workers.
package segments
