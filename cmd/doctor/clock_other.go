//go:build !linux

package doctor

// clock knows nothing on this system.
func (r *Report) clock() {
	r.unknown("clock", "", "this system does not tell whether the clock is synchronized")
}
