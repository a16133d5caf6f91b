// Package config reads training configurations: the YAML of the released code, with the settings of its command line and
// those of networks that start from scratch.
package config
