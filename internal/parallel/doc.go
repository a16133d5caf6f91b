// Package parallel runs independent pieces of work on the cores.
package parallel
