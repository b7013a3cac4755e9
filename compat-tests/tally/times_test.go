package main

import (
	"io"
	"strings"
	"testing"
)

func TestTimesOfPackagesAndSlowTests(t *testing.T) {
	c := newCounter(io.Discard)
	lines := strings.Join([]string{
		`{"Action":"pass","Package":"p","Test":"A/x","Elapsed":7}`,
		`{"Action":"pass","Package":"p","Test":"A","Elapsed":8}`,
		`{"Action":"pass","Package":"p","Test":"B","Elapsed":9.25}`,
		`{"Action":"pass","Package":"p","Elapsed":18}`,
		`{"Action":"fail","Package":"q","Elapsed":20}`,
		`{"Action":"skip","Package":"untested","Elapsed":0}`,
	}, "\n")
	if err := c.read(strings.NewReader(lines)); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	c.times.print(&out)
	want := `      20.0 s  q
      18.0 s  p
   slow:     9.2 s  p B
   slow:     8.0 s  p A
`
	if out.String() != want {
		t.Fatalf("printed\n%swant\n%s", out.String(), want)
	}
}
