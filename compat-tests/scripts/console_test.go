package scripts

import (
	"strings"
	"testing"
)

// console sends the same lines by both producers and reads each topic by both consumers: all four print the same. They fail on the same
// line.
func (w *world) console(t *testing.T) {
	const lines = "h1:v1,h2:NULL\tk1\tvalue 1\nh:x\tNULL\tv\r\nNULL\tk\tNULL\nh:\tk4\tlast"
	parse := []string{"--property", "parse.key=true", "--property", "parse.headers=true", "--property", "null.marker=NULL"}
	produce := func(topic, stdin string, more ...string) try {
		return try{stdin: stdin, words: append(append([]string{"console-producer", "--topic", topic}, parse...), more...)}
	}
	for topic, by := range map[string]func(testing.TB, try) answer{"by-j": w.java, "by-k": w.klamm} {
		w.topic(t, topic, [][]int32{{1}}, nil)
		if a := by(t, produce(topic, lines)); a.code != 0 || strings.Trim(a.stdout, ">") != "" {
			t.Fatalf("the producer ends with %d: %s%s", a.code, a.stdout, a.stderr)
		}
	}
	java, klamm := w.java(t, produce("by-j", "no header\n")), w.klamm(t, produce("by-k", "no header\n"))
	if java.code != 1 || klamm.code != 1 || !strings.Contains(klamm.stderr, firstLine(java.stderr)) {
		t.Errorf("of a line without a header the Java producer says %d, %s\nklamm %d, %s", java.code, firstLine(java.stderr), klamm.code, klamm.stderr)
	}
	w.settle(t)
	consume := func(topic string) try {
		return try{words: []string{"console-consumer", "--topic", topic, "--partition", "0", "--offset", "earliest", "--max-messages", "4", "--property", "print.key=true",
			"--property", "print.headers=true", "--property", "print.offset=true", "--property", "print.partition=true"}}
	}
	want := w.java(t, consume("by-j"))
	if strings.Count(want.stdout, "\n") != 4 {
		t.Fatalf("the Java consumer prints\n%s%s", want.stdout, want.stderr)
	}
	for what, got := range map[string]answer{"klamm's lines by the Java consumer": w.java(t, consume("by-k")), "Java's lines by klamm": w.klamm(t, consume("by-j")), "klamm's lines by klamm": w.klamm(t, consume("by-k"))} {
		if got.stdout != want.stdout || got.code != want.code {
			t.Errorf("%s: %d\n%s\nwant %d\n%s", what, got.code, got.stdout, want.code, want.stdout)
		}
	}
	w.same(t, tries(`
console-consumer --topic by-j --partition 0 --offset 1 --max-messages 1 --property print.timestamp=false --property print.value=true
console-consumer --topic by-j --offset 1
console-consumer --topic by-j --partition 0 --offset -1
console-producer
`))
	refused := w.klamm(t, try{line: "console-producer --topic by-k --batch-size 5"})
	if refused.code != 1 || !strings.Contains(refused.stderr, "--batch-size") {
		t.Errorf("an option that is not served: %d, %s", refused.code, refused.stderr)
	}
}
