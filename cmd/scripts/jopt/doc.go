// Package jopt reads a command line as the options parser of Kafka's scripts does (joptsimple 5), and says what is wrong
// with one in the same words: --option value, --option=value, -option value, options that are repeated, options whose
// value may be left out, lists of values, and options that need or exclude others. As there, an option has to be written
// out, and arguments that belong to no option are accepted and mean nothing.
//
// An option that Kafka's script has and klamm's does not is declared with Refused: using it is an error that says why.
// The package does nothing with what it read. Begin reading at parse.go.
package jopt
