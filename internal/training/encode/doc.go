// Package encode runs a network's inference graphs on the parameters that a training has reached, without writing a
// bundle: for validation, for the banks that hubs are measured by, and for models to imitate.
package encode
