// Package container reads and writes the files that package format specifies: sections of bytes, commits that
// survive crashes, and the lock between writers. What the sections mean is package index's matter.
//
// A [Writer] appends sections and makes them current with a [Manifest]; a [Reader] is one commit, mapped into
// memory. Files are reached through a [format.FS]; [OS] is the operating system's, and package faultfs has one
// that crashes.
package container
