package page

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci/text"
)

// Page is a Markdown page of numbered steps.
type Page struct {
	b     bytes.Buffer
	steps int
	idle  []string
	alone bool
}

// New begins a page; alone: the cluster is known to have a single node.
func New(alone bool) *Page { return &Page{alone: alone} }

// IdleParts are the parts where nothing is to be done, for the top of the page.
func (p *Page) IdleParts() []string { return p.idle }

// Count is the number of steps so far.
func (p *Page) Count() int { return p.steps }

// Append writes what another page has so far.
func (p *Page) Append(other *Page) { p.b.Write(other.b.Bytes()) }

// Nothing says that nothing is to be done for what a step is for, such as "the pull secret".
func (p *Page) Nothing(what string) { p.idle = append(p.idle, what) }

// Drains says, before a command, that what it changes ("a new list of insecure registries")
// drains the nodes (machine config operator, pkg/daemon/drain.go: never a single-node cluster).
func (p *Page) Drains(what string) {
	if p.alone {
		p.Text("Nodes: no drain and no reboot, because this is a single-node cluster. (%s drains every node of a larger one.)", Capital(what))
		return
	}
	p.Text("**Nodes: %s drains every node, one after the other** (but never a single-node cluster). Pods are moved to other nodes meanwhile.", what)
}

// Reboots says, before a command, that what it changes drains and reboots the nodes.
func (p *Page) Reboots(what string) {
	if p.alone {
		p.Text("**Nodes: %s reboots the only node.** The cluster does not answer meanwhile.", what)
		return
	}
	p.Text("**Nodes: %s drains and reboots every node, one after the other.** Pods are moved to other nodes meanwhile. (A single-node cluster does not answer while its node reboots.)", what)
}

// Code names what a terminal has in a sentence.
func Code(names []string) string { return "`" + strings.Join(names, "`, `") + "`" }

// Capital gives a text the capital letter of a sentence.
func Capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// Text writes a paragraph.
func (p *Page) Text(format string, args ...any) { fmt.Fprintf(&p.b, format+"\n\n", args...) }

// Head writes a heading.
func (p *Page) Head(s string) { p.Text("## %s", s) }

// Step writes the heading of the next step.
func (p *Page) Step(format string, args ...any) {
	p.steps++
	p.Head(fmt.Sprintf("%d. ", p.steps) + fmt.Sprintf(format, args...))
}

// Run writes commands to paste.
func (p *Page) Run(lines ...string) { p.Text("```\n%s\n```", strings.Join(lines, "\n")) }

// stopped is what a chain of commands says where one of them failed.
const stopped = "{ echo 'STOP: one of these commands failed (its error is above), and those after it were not run. Correct that, then paste the whole block again.'; false; }"

// Chain joins commands so that each is run only where all before it were successful: what could
// not be read is not taken for empty. A line with || of its own must be an [Or].
func Chain(lines ...string) (chain []string) {
	for i, line := range lines {
		if chain = append(chain, line+" &&"); i == len(lines)-1 {
			chain[i] = line + " ||"
		}
	}
	return append(chain, stopped)
}

// Each repeats commands for each word that a command prints: the word is in the variable that is
// named. Where it prints none, or fails, the page must not look as if all had been done.
func Each(variable, words string, commands ...string) []string {
	return slices.Concat([]string{
		"LIST=$(" + words + ")",
		`[ -n "$LIST" ] || echo 'STOP: nothing was done, because the list is empty, or could not be read.'`,
		"for " + variable + ` in $(echo "$LIST"); do`,
	}, commands, []string{"done"})
}

// EachOf are the lines of a [Chain] that repeat commands for each word that a command prints about a
// kind of objects, which a cluster may lack: crd is what defines it. It ends at the first that fails,
// and fails then: a loop has the status of its last turn otherwise.
func EachOf(variable, crd, words string, commands ...string) []string {
	for i := range commands {
		commands[i] += " || exit 1"
	}
	return []string{
		"LIST= CRD=$(oc get crd " + crd + " --ignore-not-found -o name)",
		Or(`[ -z "$CRD" ]`, "LIST=$("+words+")"),
		"( for " + variable + ` in $(echo "$LIST"); do` + "\n" + strings.Join(commands, "\n") + "\ndone )",
	}
}

// Unread ends one turn of a loop, and says so, where what is changed could not be read.
func Unread(name string) string {
	return "{ echo STOP: " + name + " was not read, and is not changed.; continue; }"
}

// Or is a line of a chain that runs a command only where a test fails.
func Or(test, command string) string { return "{ " + test + " || " + command + "; }" }

// List writes one line for each item.
func (p *Page) List(items []string) {
	for _, s := range items {
		p.b.WriteString("- " + s + "\n")
	}
	p.b.WriteString("\n")
}

// Bytes gives the page.
func (p *Page) Bytes() []byte { return append(bytes.TrimRight(p.b.Bytes(), "\n"), '\n') }

// markup is what begins a link, an image or HTML in Markdown, or ends a code span.
var markup = strings.NewReplacer("`", "'", `\`, `\\`, "<", `\<`, "[", `\[`)

// Markdown makes text from elsewhere fit for a line of a page: nothing in it is
// hidden, and nothing in it is markup.
func Markdown(s string) string { return markup.Replace(text.OneLine(text.Printable(s))) }

// plain are words that a shell takes as they are.
var plain = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// Plain reports whether a shell takes a word as it is.
func Plain(word string) bool { return plain.MatchString(word) }

// Shell quotes a word for a shell if it needs that; an IPv6 address does, as a pattern.
func Shell(word string) string {
	if Plain(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
