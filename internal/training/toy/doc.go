// Package toy makes small data sets and batches for the tests of the packages around it.
package toy
