// Package figures turns what the benchmark measured into what it prints: percentiles of latencies, the median and
// spread of several rounds, and a table with ratios, or all of that as JSON. It also reads the CPU time and
// memory of a process from the kernel (Linux's /proc).
//
// It measures nothing by itself and knows no broker. Begin reading at [Result] and [Print].
package figures
