// Package figures turns what was measured into what is printed: percentiles of
// latencies, the median and spread of several rounds, the table with its ratios and
// the same as JSON; and it reads what the kernel says of a process.
//
// It measures nothing by itself and knows no broker. Begin reading at [Result] and
// [Print].
package figures
