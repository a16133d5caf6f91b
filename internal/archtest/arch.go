// Package archtest holds the tests of the project's shape: who may import whom, and what library code does
// not do. It has no code of its own.
package archtest
