package aladin

// AtExit is called when all tests and examples of the package have run.
var AtExit = func() {}
