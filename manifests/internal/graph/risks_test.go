package graph

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestManyRisksOfManyEdges reads a group whose edges all have all risks: they
// share one list.
func TestManyRisksOfManyEdges(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"nodes":[`)
	const nodes, risks = 60, 4000
	for i := range nodes {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, `{"version":"4.1.%d","payload":"q.example/r@sha256:%064x"}`, i, i)
	}
	b.WriteString(`],"edges":[],"conditionalEdges":[{"edges":[`)
	for i := range nodes {
		for k := range i {
			if i+k > 1 {
				b.WriteString(",")
			}
			fmt.Fprintf(&b, `{"from":"4.1.%d","to":"4.1.%d"}`, k, i)
		}
	}
	b.WriteString(`],"risks":[`)
	for i := range risks {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, `{"name":"r%d","message":"m","url":"u"}`, i)
	}
	b.WriteString(`]}]}`)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	g, err := Parse([]byte(b.String()))
	if err != nil || len(g.Nodes()) != nodes {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 32<<20 {
		t.Errorf("it holds %d MiB", grown>>20)
	}
	runtime.KeepAlive(g)
}
