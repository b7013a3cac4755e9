package figures

import (
	"bytes"
	"encoding/json"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

func TestSummary(t *testing.T) {
	s := Summarize([]float64{110, 90, 100})
	if s.Median != 100 || s.Min != 90 || s.Max != 110 || s.Spread() != 0.2 || s.Values[0] != 110 {
		t.Errorf("%+v, spread %v", s, s.Spread())
	}
	if s := Summarize([]float64{4, 1, 3, 2}); s.Median != 2.5 {
		t.Errorf("the median of 1 to 4 is %v", s.Median)
	}
	if s := Summarize([]float64{0, 0}); s.Spread() != 0 {
		t.Errorf("the spread of nothing is %v", s.Spread())
	}
}

func TestPercentileIsTheNearestRank(t *testing.T) {
	thousand := make([]int64, 1000)
	for i := range thousand {
		thousand[i] = int64(i + 1)
	}
	for part, want := range map[float64]int64{0: 1, 0.5: 500, 0.99: 990, 0.999: 999, 0.9995: 1000, 1: 1000} {
		if got := Percentile(thousand, part); got != want {
			t.Errorf("%v of 1 to 1000 is %d, want %d", part, got, want)
		}
	}
	if got := Percentile([]int64{7}, 0.5); got != 7 {
		t.Errorf("the median of 7 is %d", got)
	}
	if got := Percentile(nil, 0.5); got != 0 {
		t.Errorf("the median of nothing is %d", got)
	}
}

func TestStatOfAProcessWithBracketsInItsName(t *testing.T) {
	got, err := parseStat("42 (a) b (c) S 1 42 42 0 -1 4194560 1000 0 5 0 731 269 11 12 20 0 8 0 100 200 300\n")
	if err != nil || got != 10*time.Second {
		t.Errorf("%v, %v; want utime 731 and stime 269, of the process alone", got, err)
	}
	for _, bad := range []string{"", "42 (a", "42 (a) S 1 2 3", "42 (a) S 1 42 42 0 -1 4194560 1000 0 5 0 x 269 11 12"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

func TestStatusOfAProcess(t *testing.T) {
	text := "Name:\tklamm\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\nThreads:\t9\n"
	for field, want := range map[string]int64{"VmHWM:": 20 << 20, "VmRSS:": 10 << 20} {
		if got, err := parseStatus(text, field); err != nil || got != want {
			t.Errorf("%s %d, %v", field, got, err)
		}
	}
	for _, bad := range []string{"Name:\tkthreadd\n", "VmRSS:\tmuch kB\n"} {
		if _, err := parseStatus(bad, "VmRSS:"); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

// TestThePeakBeginsAnew checks that the kernel does what ResetPeak asks of it.
func TestThePeakBeginsAnew(t *testing.T) {
	pid := os.Getpid()
	if _, err := CPU(pid); err != nil {
		t.Error(err)
	}
	if err := ResetPeak(pid); err != nil {
		t.Fatal(err)
	}
	before, err := PeakResident(pid)
	if err != nil {
		t.Fatal(err)
	}
	touched := make([]byte, 64<<20)
	for i := 0; i < len(touched); i += 4096 {
		touched[i] = 1
	}
	after, err := PeakResident(pid)
	if err != nil || after < before+60<<20 {
		t.Errorf("the peak went from %d to %d over 64 MiB, %v", before, after, err)
	}
	now, err := Resident(pid)
	if err != nil || now > after+1<<20 || now < 64<<20 { // the kernel counts in steps
		t.Errorf("%d resident, the peak is %d, %v", now, after, err)
	}
	runtime.KeepAlive(touched)
	debug.FreeOSMemory()
	if err := ResetPeak(pid); err != nil {
		t.Fatal(err)
	}
	if anew, err := PeakResident(pid); err != nil || anew > after-40<<20 {
		t.Errorf("the peak is %d of %d after 64 MiB were given back, %v", anew, after, err)
	}
}

func result() Result {
	return Result{Load: "big", About: "as fast as it goes", Medium: "tmpfs", Order: []Figure{Throughput, P99, Peak}, Rows: []Row{
		NewRow("klamm", []Sample{{Throughput: 1000, P99: 0.5, Peak: 50}, {Throughput: 900, P99: 0.5, Peak: 55}, {Throughput: 1100, P99: 0.5, Peak: 45}}),
		NewRow("Kafka 3.9.2", []Sample{{Throughput: 250, P99: 2, Peak: 950}, {Throughput: 250, P99: 2, Peak: 950}, {Throughput: 250, P99: 2, Peak: 950}}),
		NewRow("limit", []Sample{{Throughput: 1250}}),
	}}
}

func TestTheTable(t *testing.T) {
	var got bytes.Buffer
	if err := Print(&got, result()); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"big (tmpfs): as fast as it goes",
		"                            MB/s     p99 ms    peak MB",
		"  klamm                1000 ±10%  0.500 ±0%  50.0 ±10%",
		"  Kafka 3.9.2            250 ±0%   2.00 ±0%    950 ±0%",
		"  limit                     1250          -          -",
		"  klamm : Kafka 3.9.2      4.00x     0.250x     0.053x",
		"  klamm : limit           0.800x          -          -",
		"", ""}, "\n")
	if got.String() != want {
		t.Errorf("printed:\n%s\nwant:\n%s", got.String(), want)
	}
}

func TestJSONHoldsEveryRound(t *testing.T) {
	var got bytes.Buffer
	if err := WriteJSON(&got, Report{Rounds: 3, Results: []Result{result()}}); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(got.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	s := back.Results[0].Rows[0].Figures[Throughput]
	if s.Median != 1000 || len(s.Values) != 3 || s.Values[2] != 1100 || back.Results[0].Order[0] != Throughput {
		t.Errorf("%+v", back)
	}
}

func TestNumbersHaveThreeDigits(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.0123: "0.012", 0.9999: "1.00", 9.999: "10.0", 45.67: "45.7", 99.99: "100", 12345.6: "12346"} {
		if got := number(v); got != want {
			t.Errorf("%v is printed as %s, want %s", v, got, want)
		}
	}
}
