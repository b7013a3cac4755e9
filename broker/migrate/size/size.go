// Package size writes numbers of bytes for people, as the reports of a migration have them. It knows nothing of what is counted: [Text] is all there is.
package size

import "fmt"

// Text writes a number of bytes in the largest unit of which there is one.
func Text(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
