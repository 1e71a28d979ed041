package emit

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/satchel-airgap/satchel/oci/text"
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

// markup is what begins a link, an image or HTML in Markdown, or ends a code span.
var markup = strings.NewReplacer("`", "'", `\`, `\\`, "<", `\<`, "[", `\[`)

// markdown makes text from elsewhere fit for a line of a page: nothing in it is
// hidden, and nothing in it is markup.
func markdown(s string) string { return markup.Replace(text.OneLine(text.Printable(s))) }

// plain are words that a shell takes as they are.
var plain = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// shell quotes a word for a shell if it needs that; an IPv6 address does, as a pattern.
func shell(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
