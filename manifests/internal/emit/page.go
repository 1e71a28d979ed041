package emit

import (
	"bytes"
	"fmt"
	"strings"
)

// page is a Markdown page of numbered steps.
type page struct {
	b     bytes.Buffer
	steps int
}

// text writes a paragraph.
func (p *page) text(format string, args ...any) { fmt.Fprintf(&p.b, format+"\n\n", args...) }

// head writes a heading.
func (p *page) head(s string) { p.text("## %s", s) }

// step writes the heading of the next step.
func (p *page) step(format string, args ...any) {
	p.steps++
	p.head(fmt.Sprintf("%d. ", p.steps) + fmt.Sprintf(format, args...))
}

// run writes commands to paste.
func (p *page) run(lines ...string) { p.text("```\n%s\n```", strings.Join(lines, "\n")) }

// list writes one line for each item.
func (p *page) list(items []string) {
	for _, s := range items {
		p.b.WriteString("- " + s + "\n")
	}
	p.b.WriteString("\n")
}

func (p *page) bytes() []byte { return append(bytes.TrimRight(p.b.Bytes(), "\n"), '\n') }

// waitForNodes are the commands that wait until every node has what changed.
func waitForNodes() []string {
	return []string{
		"oc wait mcp --all --for=condition=Updating --timeout=2m || true",
		"oc wait mcp --all --for=condition=Updated --timeout=90m",
	}
}
