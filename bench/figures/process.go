package figures

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is USER_HZ, the kernel's unit of CPU times in /proc, whatever its own clock is
// (proc_pid_stat(5)). It is 100 on every architecture that Go runs on under Linux.
const ticksPerSecond = 100

// CPU gives the CPU time that all threads of a process have used so far, in user mode and in the kernel. The
// kernel counts it in steps of 10 ms.
func CPU(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseStat(string(text))
}

// parseStat reads utime and stime. The second field is the command's name in
// brackets, which may hold spaces and brackets itself.
func parseStat(text string) (time.Duration, error) {
	_, behind, found := cutLast(text, ")")
	fields := strings.Fields(behind)
	if !found || len(fields) < 13 {
		return 0, fmt.Errorf("figures: not the stat of a process: %q", text)
	}
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("figures: the CPU time of a process: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / ticksPerSecond), nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// Resident gives how much memory of a process is in RAM, in bytes.
func Resident(pid int) (int64, error) { return status(pid, "VmRSS:") }

// PeakResident gives the largest value that Resident has had since the process started, or since ResetPeak, in
// bytes.
func PeakResident(pid int) (int64, error) { return status(pid, "VmHWM:") }

// ResetPeak makes PeakResident start again from the memory that is in RAM now.
func ResetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

func status(pid int, field string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return parseStatus(string(text), field)
}

// parseStatus reads a field and gives it in bytes. The kernel calls its unit kB and means KiB.
func parseStatus(text, field string) (int64, error) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, field)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("figures: %s of a process: %w", field, err)
		}
		return n * 1024, nil
	}
	return 0, fmt.Errorf("figures: no %s in the status of the process", field)
}
