package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	t.Parallel()
	const in = `# a compiler's message
{"Action":"start","Package":"m/a"}
{"Action":"run","Package":"m/a","Test":"TestX"}
{"Action":"output","Package":"m/a","Test":"TestX","Output":"    x_test.go:1: wrong\n"}
{"Action":"fail","Package":"m/a","Test":"TestX","Elapsed":2}
{"Action":"output","Package":"m/a","Test":"TestY","Output":"quiet\n"}
{"Action":"pass","Package":"m/a","Test":"TestY","Elapsed":3}
{"Action":"output","Package":"m/a","Output":"FAIL\tm/a\t5.1s\n"}
{"Action":"fail","Package":"m/a","Elapsed":5.1}
{"Action":"output","Package":"m/b","Output":"ok  \tm/b\t9.0s\n"}
{"Action":"pass","Package":"m/b","Elapsed":9}
`
	var out bytes.Buffer
	r, err := read(strings.NewReader(in), &out)
	if err != nil || !r.failed {
		t.Errorf("failed %t, %v", r.failed, err)
	}
	r.print(&out, 1)
	want := `# a compiler's message
    x_test.go:1: wrong
FAIL	m/a	5.1s

| seconds | package |
|---:|---|
| 9.0 | m/b |
| 5.1 | m/a |

| seconds | test |
|---:|---|
| 3.0 | m/a TestY |

FAIL	m/a	5.1s
ok  	m/b	9.0s
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}
