// Package devicetest holds the tests of everything that runs on a device: encoders, alignment, extractors and the training
// step, each held against the CPU. ALADIN_TEST_DEVICE names the device ("webgpu:0", "cuda"); without it the suite runs on the
// CPU, which shows that the suite itself is right.
package devicetest
