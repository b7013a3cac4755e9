package harness

import (
	"strings"
	"testing"
)

func TestReadDumpFindsWhatIsWrong(t *testing.T) {
	var facts DumpFacts
	found := readDump(strings.NewReader(`Dumping /d/t-0/00000000000000000000.log
Log starting offset: 0
baseOffset: 0 lastOffset: 1 count: 2 size: 80 magic: 2 crc: 1 isvalid: true
| offset: 0 CreateTime: 1 keySize: -1 valueSize: 1
| offset: 1 CreateTime: 1 keySize: -1 valueSize: 1
baseOffset: 2 lastOffset: 2 count: 1 size: 80 magic: 2 crc: 1 isvalid: false
Found 17 invalid bytes at the end of 00000000000000000000.log
Dumping /d/t-0/00000000000000000000.index
`), &facts)
	if len(found) != 2 || facts.Batches != 2 || facts.Records != 2 {
		t.Fatalf("%q, %+v; want the batch that is not valid and the bytes at the end", found, facts)
	}
}

func TestGapsAreNoFault(t *testing.T) {
	said := "Non-consecutive offsets in /d/t-0/00000000000000000000.log\n  5 is followed by 7\n  7 is followed by 7\n  9 is followed by 4\nelse\n"
	if got := withoutGaps(said); got != "  7 is followed by 7\n  9 is followed by 4\nelse\n" {
		t.Errorf("%q is left", got)
	}
}

func TestChunksFitIntoOneArgument(t *testing.T) {
	name := strings.Repeat("x", 999)
	var files []string
	for range 500 {
		files = append(files, name)
	}
	total := 0
	for _, c := range chunks(files) {
		if len(c) > 128<<10 {
			t.Errorf("%d bytes", len(c))
		}
		total += strings.Count(c, name)
	}
	if total != len(files) {
		t.Errorf("%d names of %d", total, len(files))
	}
}
