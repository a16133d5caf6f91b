// Package param holds a network's parameters by their published names.
package param
