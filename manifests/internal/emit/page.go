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
	idle  []string // where nothing is to be done, for the top of the page
	alone bool     // the cluster is known to have a single node
}

// nothing says that nothing is to be done for what a step is for, such as "the pull secret".
func (p *page) nothing(what string) { p.idle = append(p.idle, what) }

// drains says, before a command, that what it changes ("a new list of insecure registries")
// drains the nodes (machine config operator, pkg/daemon/drain.go: never a single-node cluster).
func (p *page) drains(what string) {
	if p.alone {
		p.text("Nodes: no drain and no reboot, because this is a single-node cluster. (%s drains every node of a larger one.)", first(what))
		return
	}
	p.text("**Nodes: %s drains every node, one after the other** (but never a single-node cluster). Pods are moved to other nodes meanwhile.", what)
}

// reboots says, before a command, that what it changes drains and reboots the nodes.
func (p *page) reboots(what string) {
	if p.alone {
		p.text("**Nodes: %s reboots the only node.** The cluster does not answer meanwhile.", what)
		return
	}
	p.text("**Nodes: %s drains and reboots every node, one after the other.** Pods are moved to other nodes meanwhile. (A single-node cluster does not answer while its node reboots.)", what)
}

// code names what a terminal has in a sentence.
func code(names []string) string { return "`" + strings.Join(names, "`, `") + "`" }

// first gives a text the capital letter of a sentence.
func first(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

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
func (e *emission) waitForNodes() []string {
	if e.hosted() { // it has no pools of machines
		return []string{"oc wait nodes --all --for=condition=Ready --timeout=90m"}
	}
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
