package javalib

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// zoned is a text of Utils.getDateTime that says its time zone: Z, +0100 or +01:00.
var zoned = regexp.MustCompile(`(Z|[+-]\d{2}(:?\d{2})?)$`)

// DateTime is Utils.getDateTime of Kafka's clients: a time as 2024-02-29T12:00:00.000, in UTC where it names no time zone,
// in milliseconds.
func DateTime(text string) (int64, error) {
	bad := new(Exception)
	bad.Class = "java.lang.RuntimeException"
	day, clock, ok := strings.Cut(text, "T")
	if !ok {
		bad.Message = `java.text.ParseException: Error parsing timestamp. It does not contain a 'T' according to ISO8601 format`
		return 0, bad
	}
	zone := "Z"
	if at := zoned.FindString(clock); at != "" {
		clock, zone = strings.TrimSuffix(clock, at), strings.ReplaceAll(at, ":", "")
	}
	bad.Message = `java.text.ParseException: Unparseable date: "` + text
	if zone == "Z" && !strings.HasSuffix(text, "Z") {
		bad.Message += "Z"
	}
	bad.Message += `"`
	if len(zone) == 3 {
		zone += "00"
	}
	at, err := time.Parse("2006-01-02T15:04:05.000Z0700", day+"T"+clock+zone)
	if err != nil {
		return 0, bad
	}
	return at.UnixMilli(), nil
}

// isoDuration is the form that java.time.Duration.parse reads.
var isoDuration = regexp.MustCompile(`(?i)^([+-]?)P(?:([+-]?\d+)D)?(T(?:([+-]?\d+)H)?(?:([+-]?\d+)M)?(?:([+-]?\d+)(?:[.,](\d{0,9}))?S)?)?$`)

// Duration is java.time.Duration.parse: P1DT2H3M4.5S.
func Duration(text string) (time.Duration, error) {
	bad := &Exception{Class: "java.time.format.DateTimeParseException", Message: "Text cannot be parsed to a Duration"}
	part := isoDuration.FindStringSubmatch(text)
	if part == nil || part[2] == "" && part[4] == "" && part[5] == "" && part[6] == "" || strings.EqualFold(part[3], "T") {
		return 0, bad
	}
	var sum time.Duration
	for i, unit := range map[int]time.Duration{2: 24 * time.Hour, 4: time.Hour, 5: time.Minute, 6: time.Second} {
		if part[i] == "" {
			continue
		}
		n, err := strconv.ParseInt(part[i], 10, 64)
		if limit := int64((1<<63 - 1) / unit); err != nil || n > limit || n < -limit {
			return 0, bad
		}
		sum += time.Duration(n) * unit
	}
	if part[7] != "" {
		nanos, err := strconv.ParseInt((part[7] + "000000000")[:9], 10, 64)
		if err != nil {
			return 0, bad
		}
		if strings.HasPrefix(part[6], "-") {
			nanos = -nanos
		}
		sum += time.Duration(nanos)
	}
	if part[1] == "-" {
		sum = -sum
	}
	return sum, nil
}
