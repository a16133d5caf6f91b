// Package start takes first values from the data: the mean and deviation of region features, and embeddings from a
// canonical correlation analysis of captions and regions.
package start
