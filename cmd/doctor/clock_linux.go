package doctor

import "golang.org/x/sys/unix"

// unsynchronized is STA_UNSYNC of adjtimex(2).
const unsynchronized = 0x40

// clock asks the kernel whether something keeps the clock right.
func (r *Report) clock() {
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		r.unknown("clock", "", "the system does not tell whether the clock is synchronized: %v", err)
		return
	}
	if t.Status&unsynchronized != 0 {
		r.warn("clock", "", "run chrony or systemd-timesyncd, unless this is a container whose host does", "the kernel says that nothing synchronizes the clock")
		return
	}
	r.ok("clock", "", "the clock is synchronized")
}
