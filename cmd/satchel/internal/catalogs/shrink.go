package catalogs

import (
	"fmt"
	"strings"

	"github.com/satchel-airgap/satchel/oci/text"
)

// mostGoing is how much of what goes the error of one catalog names.
const mostGoing = 5

// ShrinkError says that catalogs would lose packages, channels or versions.
type ShrinkError struct {
	Catalogs []Catalog // those that would
}

func (e *ShrinkError) Error() string {
	var parts []string
	for _, c := range e.Catalogs {
		parts = append(parts, fmt.Sprintf("%s would lose %s: %s", c.Name, c.Changes.Go, Some(c.Changes.Going())))
	}
	return "move catalogs of the mirror: " + strings.Join(parts, "; ") + "; nothing was moved"
}

// Some cuts a list short, in one line.
func Some(list []string) string { return strings.Join(some(list), "; ") }

func some(list []string) []string {
	if len(list) <= mostGoing {
		return list
	}
	return append(list[:mostGoing:mostGoing], fmt.Sprintf("and %d more", len(list)-mostGoing))
}

// Hint says what to do now.
func (e *ShrinkError) Hint() string {
	return "operators that were installed from what goes get no updates any more: pack with a configuration that names it too, or let it go"
}

// Permanent reports that the same bundle has the same catalogs every time.
func (e *ShrinkError) Permanent() bool { return true }

// Shrinking gives the error for the catalogs that shrink; nil if none does.
func Shrinking(list []Catalog) error {
	e := &ShrinkError{}
	for _, c := range list {
		if c.Shrinks() {
			e.Catalogs = append(e.Catalogs, c)
		}
	}
	if len(e.Catalogs) == 0 {
		return nil
	}
	return e
}

// Summary says in one line what became of a catalog, or will; "" for one that does not move.
func (c Catalog) Summary() string {
	switch {
	case c.Unknown != "":
		return fmt.Sprintf("what goes from the catalog %s is not known: %s", c.Name, c.Unknown)
	case c.Before == "":
		return fmt.Sprintf("catalog %s: new in the mirror", c.Name)
	case c.Changes == nil:
		return ""
	case c.Changes.Same():
		return fmt.Sprintf("catalog %s: another image with the same packages, channels and versions", c.Name)
	}
	var parts []string
	if n := c.Changes.Come.String(); n != "" {
		parts = append(parts, fmt.Sprintf("comes: %s (%s)", n, Some(c.Changes.Coming())))
	}
	if n := c.Changes.Go.String(); n != "" {
		parts = append(parts, fmt.Sprintf("goes: %s (%s)", n, Some(c.Changes.Going())))
	}
	if other := c.Changes.Other(); len(parts) == 0 {
		parts = append(parts, Some(other))
	} else if n := len(other); n > 0 {
		parts = append(parts, text.Count(n, "other change", "other changes"))
	}
	return fmt.Sprintf("catalog %s: %s", c.Name, strings.Join(parts, "; "))
}
