package cli

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// position is a place in the log of a partition, as a person writes it.
type position struct {
	kind positionKind
	n    int64 // an offset, how many before the end, or milliseconds since 1970
}

type positionKind int

const (
	start positionKind = iota
	end
	offset
	beforeEnd
	atTime
)

// positions says in help texts what may be written.
const positions = `start, end, an OFFSET, -N (N records before the end), a time (2026-01-31, 2026-01-31T13:00:00Z, or @MILLISECONDS),
or how long ago (90s, 15m, 6h, 7d)`

var (
	wholeNumber = regexp.MustCompile(`^-?[0-9]+$`)
	dayCount    = regexp.MustCompile(`^([0-9]{1,6})d`)
)

// times are the ways to write a time. One without a zone is in UTC.
var times = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02"}

// parsePosition reads a position. now is the time that "how long ago" counts from.
func parsePosition(text string, now time.Time) (position, error) {
	switch text {
	case "start", "earliest", "beginning":
		return position{kind: start}, nil
	case "end", "latest":
		return position{kind: end}, nil
	}
	if wholeNumber.MatchString(text) {
		n, err := strconv.ParseInt(text, 10, 64)
		switch {
		case err != nil:
			return position{}, fmt.Errorf("%s is too large", text)
		case strings.HasPrefix(text, "-"):
			return position{beforeEnd, -n}, nil
		}
		return position{offset, n}, nil
	}
	if millis, ok := strings.CutPrefix(text, "@"); ok {
		n, err := strconv.ParseInt(millis, 10, 64)
		if err != nil || n < 0 {
			return position{}, fmt.Errorf("%q is no number of milliseconds since 1970", text)
		}
		return position{atTime, n}, nil
	}
	if ago, err := parseAgo(strings.TrimPrefix(text, "-")); err == nil {
		return position{atTime, now.Add(-ago).UnixMilli()}, nil
	}
	for _, layout := range times {
		if at, err := time.Parse(layout, text); err == nil && at.UnixMilli() >= 0 {
			return position{atTime, at.UnixMilli()}, nil
		}
	}
	return position{}, fmt.Errorf("%q is no position: it is %s", text, strings.ReplaceAll(positions, "\n", " "))
}

// parseAgo reads a duration, in which days may stand first: 7d, 1d12h, 90s.
func parseAgo(text string) (time.Duration, error) {
	var days time.Duration
	if m := dayCount.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(m[1]) // six digits are a number
		days, text = time.Duration(n)*24*time.Hour, strings.TrimPrefix(text, m[0])
		if text == "" {
			return days, nil
		}
	}
	rest, err := time.ParseDuration(text)
	if err == nil && rest < 0 {
		err = fmt.Errorf("%q is negative", text)
	}
	return days + rest, err
}

// bounds are where the logs of partitions start and end.
type bounds struct{ starts, ends map[tp]int64 }

func (s *session) bounds(ctx context.Context, of []tp) (b bounds, err error) {
	if b.starts, err = s.listOffsets(ctx, atStart, of); err == nil {
		b.ends, err = s.listOffsets(ctx, atEnd, of)
	}
	return b, err
}

// resolve gives the offset of a position in each of the partitions. An offset that is not in the log stays as it is.
func (s *session) resolve(ctx context.Context, pos position, b bounds) (map[tp]int64, error) {
	found := map[tp]int64{}
	var byTime map[tp]int64
	if pos.kind == atTime {
		var err error
		if byTime, err = s.listOffsets(ctx, pos.n, sortedTPs(b.ends)); err != nil {
			return nil, err
		}
	}
	for at, last := range b.ends {
		switch pos.kind {
		case start:
			found[at] = b.starts[at]
		case end:
			found[at] = last
		case offset:
			found[at] = pos.n
		case beforeEnd:
			found[at] = max(b.starts[at], last-pos.n)
		case atTime:
			found[at] = byTime[at]
			if byTime[at] < 0 { // all records are older
				found[at] = last
			}
		}
	}
	return found, nil
}
