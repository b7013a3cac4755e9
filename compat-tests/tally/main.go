package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"time"
)

func main() {
	suite := flag.String("suite", "", "name of the suite")
	check := flag.Bool("check", false, "the command is a single check that passes with exit code 0")
	total := flag.Bool("total", false, "add up the suites in the file that KLAMM_TALLY names")
	flag.Parse()
	os.Exit(run(*suite, *check, *total, flag.Args()))
}

func run(suite string, check, total bool, command []string) int {
	file := os.Getenv("KLAMM_TALLY")
	if total {
		sum, err := readTotal(file)
		if err != nil {
			fmt.Fprintln(os.Stderr, "tally:", err)
			return 1
		}
		fmt.Println(sum)
		return exitCode(sum)
	}
	if suite == "" || len(command) == 0 {
		fmt.Fprintln(os.Stderr, "usage: tally -suite NAME [-check] -- COMMAND ARGS...")
		return 2
	}
	begun := time.Now()
	var sum counts
	var err error
	if check {
		sum, err = runCheck(command)
	} else {
		sum, err = runTests(command)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		sum.failed++
	}
	fmt.Printf("== %s: %s (%s)\n", suite, sum, time.Since(begun).Round(100*time.Millisecond))
	if file != "" {
		if err := appendCounts(file, suite, sum); err != nil {
			fmt.Fprintln(os.Stderr, "tally:", err)
			return 1
		}
	}
	return exitCode(sum)
}

func exitCode(c counts) int {
	if c.failed > 0 {
		return 1
	}
	return 0
}

// runCheck runs a command whose exit code is the verdict.
func runCheck(command []string) (counts, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return counts{}, fmt.Errorf("%v: %w", command, err)
	}
	return counts{passed: 1}, nil
}

// runTests runs a `go test -json` and counts its events.
func runTests(command []string) (counts, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return counts{}, err
	}
	if err := cmd.Start(); err != nil {
		return counts{}, err
	}
	c := newCounter(os.Stdout)
	readErr := c.read(events)
	waitErr := cmd.Wait()
	sum := c.counts()
	c.times.print(os.Stdout)
	if readErr != nil {
		return sum, readErr
	}
	if waitErr != nil && sum.failed == 0 {
		return sum, fmt.Errorf("%v: %w", command, waitErr)
	}
	if sum.passed+sum.failed+sum.skipped == 0 {
		return sum, fmt.Errorf("%v ran no test", command)
	}
	return sum, nil
}
