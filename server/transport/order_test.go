package transport

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// desk is an order of answers, and the test's double of its outlet. It records what is written,
// runs a spawned function when the test says so, and can make an event happen during a write.
type desk struct {
	order
	answers  map[string]*Answer
	sent     []string
	released map[string]int
	spawned  []func()
	cuts     int
	fails    bool   // the next write fails
	during   func() // happens during the next write
}

// named is the Releaser of an answer.
type named struct {
	d    *desk
	name string
}

func (n named) Release() { n.d.released[n.name]++ }

func newDesk() *desk {
	d := &desk{answers: make(map[string]*Answer), released: make(map[string]int)}
	d.order.open(d)
	return d
}

func (d *desk) write(batch []*Answer) error {
	if f := d.during; f != nil {
		d.during = nil
		f()
	}
	if d.fails {
		return errors.New("the client has left")
	}
	for _, a := range batch {
		d.sent = append(d.sent, a.held.(named).name)
	}
	return nil
}

func (d *desk) takes(int) bool { return true }
func (d *desk) spawn(f func()) { d.spawned = append(d.spawned, f) }
func (d *desk) interrupt()     {}
func (d *desk) cut()           { d.cuts++ }

func (d *desk) release(a *Answer) { a.release(new(buffers)) }

func (d *desk) expect(name string) bool {
	a := new(Answer)
	a.SetParts(nil, 1, named{d, name})
	d.answers[name] = a
	return d.Expect(a)
}

// run runs the spawned functions.
func (d *desk) run() {
	for len(d.spawned) > 0 {
		f := d.spawned[0]
		d.spawned = d.spawned[1:]
		f()
	}
}

var completers = map[string]Completer{"own": Own, "aside": Aside, "here": Here}

// do plays one line of a script.
func (d *desk) do(line string) error {
	words := strings.Fields(line)
	switch words[0] {
	case "expect":
		if !d.expect(words[1]) {
			return errors.New(words[1] + " is not to be served")
		}
	case "complete":
		by, ok := completers[words[2]]
		if !ok {
			return fmt.Errorf("nobody is called %s", words[2])
		}
		d.Complete(d.answers[words[1]], by)
	case "rest":
		d.rest()
	case "flush":
		d.flush()
	case "run":
		d.run()
	case "seal":
		d.seal()
	case "stop":
		d.Stop()
	case "abort":
		d.Abort()
	case "drain":
		d.drain()
	case "fail":
		d.fails = true
	case "during-write":
		rest := strings.Join(words[1:], " ")
		d.during = func() { _ = d.do(rest) }
	default:
		return fmt.Errorf("no such command: %s", words[0])
	}
	return nil
}

// state gives the state of the order in the words of the table at order.
func (d *desk) state() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := []string{"sent [" + strings.Join(d.sent, " ") + "]"}
	if n := len(d.pending); n > 0 {
		out = append(out, fmt.Sprintf("owed %d", n))
	}
	if len(d.spawned) > 0 {
		out = append(out, fmt.Sprintf("spawned %d", len(d.spawned)))
	}
	state := "serving"
	if d.resting {
		state = "resting"
	}
	out = append(out, state)
	for name, is := range map[string]bool{"broken": d.broken} {
		if is {
			out = append(out, name)
		}
	}
	if d.ended {
		out = append(out, "quit")
	}
	return strings.Join(out, ", ")
}

// TestOrder plays the scripts in testdata/order. To write their results again, run
//
//	go test ./server/transport -run TestOrder -rewrite
func TestOrder(t *testing.T) {
	datadriven.Walk(t, "testdata/order", func(t *testing.T, path string) {
		d := newDesk()
		datadriven.RunTest(t, path, func(t *testing.T, td *datadriven.TestData) string {
			if td.Cmd == "new" {
				d = newDesk()
			} else if td.Cmd != "play" {
				return "no such command"
			}
			var out strings.Builder
			for line := range strings.Lines(td.Input) {
				if err := d.do(line); err != nil {
					fmt.Fprintf(&out, "%s\n", err)
				}
			}
			out.WriteString(d.state() + "\n")
			return out.String()
		})
	})
}

// merges gives all orders of the events of some actors, each of which keeps its own order.
func merges(actors [][]string) (out [][]string) {
	done := true
	for i, events := range actors {
		if len(events) == 0 {
			continue
		}
		done = false
		rest := slices.Clone(actors)
		rest[i] = events[1:]
		for _, tail := range merges(rest) {
			out = append(out, append([]string{events[0]}, tail...))
		}
	}
	if done {
		out = [][]string{nil}
	}
	return out
}

// This test plays all orders of these events: handlers return, answers are completed in a
// handler and elsewhere, the client leaves, the server stops, the connection is cut, goroutines
// send. No answer stays unsent, none overtakes another, and each is released once.
func TestNoOrderOfEventsLeavesAnAnswerUnsent(t *testing.T) {
	played := 0
	for first := range completers {
		for second := range completers {
			for _, end := range [][]string{nil, {"abort"}, {"stop"}, {"fail"}, {"run"}} {
				actors := [][]string{{"expect a", "expect b", "rest"}, {"complete a " + first}, {"complete b " + second}, end}
				for _, events := range merges(actors) {
					if !possible(events) {
						continue
					}
					for _, nested := range []int{-1, 0, 1, 2, 3, 4, 5} { // the event that comes during the write of the one before it
						if nested < len(events) {
							played++
							playAll(t, events, nested)
						}
					}
				}
			}
		}
	}
	if played < 5000 {
		t.Errorf("only %d orders were played", played)
	}
}

// possible reports whether each answer is expected before it is completed.
func possible(events []string) bool {
	for _, name := range []string{"a", "b"} {
		completed := slices.IndexFunc(events, func(e string) bool { return strings.HasPrefix(e, "complete "+name) })
		if completed < slices.Index(events, "expect "+name) {
			return false
		}
	}
	return true
}

func playAll(t *testing.T, events []string, nested int) {
	t.Helper()
	d := newDesk()
	for i := 0; i < len(events); i++ {
		inside := i+1 == nested && nested < len(events)
		if inside {
			d.during = func() { _ = d.do(events[nested]) }
		}
		if err := d.do(events[i]); err != nil {
			t.Fatalf("%q: %v", events, err)
		}
		if inside {
			if d.during == nil { // the event has happened
				i++
			}
			d.during = nil
		}
	}
	d.run()
	if sent := strings.Join(d.sent, ""); !strings.HasPrefix("ab", sent) || !d.broken && sent != "ab" {
		t.Fatalf("%q, the event %d during a write: sent %q", events, nested, sent)
	}
	d.drain()
	for _, name := range []string{"a", "b"} {
		if n := d.released[name]; n != 1 {
			t.Fatalf("%q, the event %d during a write: %s was given back %d times", events, nested, name, n)
		}
	}
}
