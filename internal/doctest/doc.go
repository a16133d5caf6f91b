// Package doctest holds the tests of what the documentation says: every command on a page is run, every
// program is built and run, every description of an extractor is read, every link leads somewhere. It has no
// code of its own.
//
// How a page is read: the lines of a block marked sh are commands that must succeed. In a block marked
// console, a line that begins with "$ " is a command and the lines below it are what it prints, in order;
// "…" stands for anything. A block marked "console fails" shows commands that end with an error. Commands
// run one after the other in a folder of the page's own, which world makes.
package doctest
