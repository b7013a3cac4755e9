// Command tally runs one suite of checks and counts it.
//
//	tally -suite NAME -- go test -json ...     a suite of tests: its JSON events are counted
//	tally -suite NAME -check -- COMMAND ...    a single check: passes when the command exits with 0
//	tally -total                               adds up what the suites left in the file
//
// A failing test's output is printed, a passing one's is not. The tests that hold no
// subtests count, so that nothing counts twice; a package that fails without a failing
// test (it does not build, its TestMain fails) counts as one failure. Each suite appends
// its counts to the file named by KLAMM_TALLY, when that is set. The exit code is 1 when
// anything failed.
package main
