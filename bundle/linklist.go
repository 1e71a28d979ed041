package bundle

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// LinkList is a list of link files that are to be sent again, short enough to be read out:
// the beginning of the bundle ID, numbers and ranges, the size of the largest file where that is
// not [MaxLinkFile], and four characters by which the other side notices a mistake.
type LinkList struct {
	id      string // "" where it is not known: nothing is called as it was sent
	numbers []int
	most    int64  // bytes of the largest file; 0 where it is MaxLinkFile, or not known
	check   string // "" where no manifest has arrived
}

// manifestWord is in a list that asks for the manifest alone.
const manifestWord = "manifest"

// mostListed is how many numbers a list may have.
const mostListed = 1_000_000

var linkRange = regexp.MustCompile(`^([0-9]{1,7})(?:-([0-9]{1,7}))?$`)

// Missing makes the list of the files with these numbers.
func (l *Link) Missing(numbers []int) LinkList {
	list := LinkList{id: l.Bundle[:idInNames], numbers: numbers, check: l.check(numbers)}
	if l.most != MaxLinkFile {
		list.most = l.most
	}
	return list
}

// Most is the size of the largest file of the sending that the list is of; ok is false for a
// list that asks for the manifest, which does not know it.
func (l LinkList) Most() (bytes int64, ok bool) {
	return cmp.Or(l.most, MaxLinkFile), l.check != ""
}

// check is of the list and of the manifest: another one numbers other files.
func (l *Link) check(numbers []int) string {
	return seal.Sum([]byte(l.sum + " " + ranges(numbers)))[:4]
}

// String is the list in one line.
func (l LinkList) String() string {
	if l.check == "" {
		return strings.TrimSpace(strings.ToUpper(l.id) + " " + manifestWord)
	}
	most := ""
	if l.most > 0 {
		most = fmt.Sprintf(" max %d", l.most)
	}
	return strings.ToUpper(l.id) + " " + ranges(l.numbers) + most + " check " + l.check
}

// ranges writes numbers that rise.
func ranges(numbers []int) string {
	var list []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		if i == j {
			list = append(list, strconv.Itoa(numbers[i]))
		} else {
			list = append(list, fmt.Sprintf("%d-%d", numbers[i], numbers[j]))
		}
		i = j + 1
	}
	return strings.Join(list, ",")
}

// ParseLinkList reads a list as [LinkList.String] writes it, in capitals or not, with commas or
// spaces.
func ParseLinkList(s string) (l LinkList, err error) {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return strings.ContainsRune(" ,;\t\r\n", r) })
	if len(words) == 0 {
		return l, errors.New("it is empty: everything had arrived")
	}
	if len(words) == 1 && words[0] == manifestWord {
		return l, nil
	}
	if len(words) < 2 || len(words[0]) != idInNames {
		return l, errors.New("it does not begin with the first 8 characters of the bundle ID, followed by numbers")
	}
	l.id = words[0]
	if len(words) == 2 && words[1] == manifestWord {
		return l, nil
	}
	n := slices.Index(words, "check")
	if n < 0 || n != len(words)-2 {
		return l, errors.New(`it does not end with "check" and four characters`)
	}
	l.check = words[len(words)-1]
	if n > 3 && words[n-2] == "max" {
		if l.most, err = strconv.ParseInt(words[n-1], 10, 64); err != nil || l.most < 1 {
			return l, fmt.Errorf("%q is no size of the largest file", words[n-1])
		}
		n -= 2
	}
	for _, w := range words[1:n] {
		m := linkRange.FindStringSubmatch(w)
		if m == nil {
			return l, fmt.Errorf("%q is neither a number nor a range", w)
		}
		from, _ := strconv.Atoi(m[1])
		to, _ := strconv.Atoi(m[2])
		if to = max(from, to); to-from+len(l.numbers) > mostListed {
			return l, fmt.Errorf("it has more than %d numbers", mostListed)
		}
		for ; from <= to; from++ {
			l.numbers = append(l.numbers, from)
		}
	}
	slices.Sort(l.numbers)
	l.numbers = slices.Compact(l.numbers)
	return l, nil
}

// LinkListError says that a list does not fit the bundle that it is to be sent of.
type LinkListError struct{ Reason string }

func (e *LinkListError) Error() string { return "the list of link files: " + e.Reason }

// Hint says what to do now.
func (e *LinkListError) Hint() string {
	return "compare it with what satchel missing printed; name the same bundle and the same largest file as when it was sent first. If a key, a signature or parity was added to the bundle since, send it anew"
}

// Permanent is true: the list stays as it is.
func (e *LinkListError) Permanent() bool { return true }

// Wanted gives the numbers of a list, which must be one of this bundle.
func (l *Link) Wanted(list LinkList) ([]int, error) {
	switch {
	case list.id != "" && list.id != l.Bundle[:idInNames]:
		return nil, &LinkListError{fmt.Sprintf("it is of bundle %s..., and this is %s", strings.ToUpper(list.id), l.Bundle)}
	case list.check != "" && list.check != l.check(list.numbers):
		return nil, &LinkListError{"its last four characters do not fit: it was misread, or is of another sending"}
	case len(list.numbers) > 0 && (list.numbers[0] < 1 || list.numbers[len(list.numbers)-1] > len(l.Files)):
		return nil, &LinkListError{fmt.Sprintf("the bundle has %d files", len(l.Files))}
	}
	return list.numbers, nil
}
