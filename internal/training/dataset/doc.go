// Package dataset is what a model trains on: pictures as regions, captions, and the batches made of them. What a batch
// holds depends on the configuration's seed and the batch's number alone.
package dataset
