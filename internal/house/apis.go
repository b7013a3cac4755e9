package house

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
)

// apiRooms are the rooms that hold the files of APIs, those of a family in one room.
var apiRooms = []string{"server", "server/data", "server/groups", "server/txn", "server/admin", "server/peer"}

// fileOf is the name of an API's file in its room: OffsetForLeaderEpoch is in
// offset_for_leader_epoch.go.
func fileOf(api string) string {
	var s strings.Builder
	letters := []rune(api)
	for i, r := range letters {
		if unicode.IsUpper(r) && i > 0 && (unicode.IsLower(letters[i-1]) || i+1 < len(letters) && unicode.IsLower(letters[i+1])) {
			s.WriteByte('_')
		}
		s.WriteRune(unicode.ToLower(r))
	}
	return s.String() + ".go"
}

// apiFiles finds APIs that are served and have no file of their own, files that do not
// begin with a word on their API, and files of APIs that are not served. served are the
// names in the table of protocol, known are all names that Kafka has. Without any Go file
// in the rooms apiFiles finds nothing.
func apiFiles(files []*file, served, known []string) (found []string) {
	have := map[string]*file{}
	for _, f := range files {
		if slices.Contains(apiRooms, f.dir()) && !f.test() {
			have[path.Base(f.path)] = f
		}
	}
	if len(have) == 0 {
		return nil
	}
	right := map[string]bool{} // files, since Apache Kafka and kmsg write some names with other capitals
	for _, api := range served {
		right[fileOf(api)] = true
		f := have[fileOf(api)]
		if f == nil {
			found = append(found, fmt.Sprintf("%s: the table of protocol serves %s, which has no file in %s; write it, or take the row out", fileOf(api), api, strings.Join(apiRooms, ", ")))
		} else if !strings.Contains(head(f), api) {
			found = append(found, fmt.Sprintf("%s: begins without a word on %s; begin with its key, versions, what each changed, the refusals in order, and what is missing on purpose", f.path, api))
		}
	}
	for _, api := range known {
		if f := have[fileOf(api)]; f != nil && !right[fileOf(api)] {
			found = append(found, fmt.Sprintf("%s: the table of protocol does not serve %s; add the row, or remove the file", f.path, api))
		}
	}
	return found
}

// head is the comment that a file begins with, before or behind its package
// clause.
func head(f *file) string {
	if len(f.ast.Comments) == 0 {
		return ""
	}
	return f.ast.Comments[0].Text()
}
