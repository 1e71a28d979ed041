package strict

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Pos is a place in the text. Line and column count from 1, columns in characters.
type Pos struct{ Line, Column int }

// Compare orders places as they stand in the text.
func (p Pos) Compare(q Pos) int {
	return cmp.Or(cmp.Compare(p.Line, q.Line), cmp.Compare(p.Column, q.Column))
}

// Error is one problem of a document.
type Error struct {
	Pos
	Msg     string
	Unknown string // the key, when the problem is that nobody knows it
}

func (e *Error) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Msg) }

func errAt(p Pos, format string, args ...any) *Error {
	return &Error{Pos: p, Msg: fmt.Sprintf(format, args...)}
}

// join makes one error of many, in the order of the text; nil of none.
func join(list []*Error) error {
	slices.SortStableFunc(list, func(a, b *Error) int { return a.Compare(b.Pos) })
	errs := make([]error, len(list))
	for i, e := range list {
		errs[i] = e
	}
	return errors.Join(errs...)
}

// Errors lists the problems that an error of this package joins.
func Errors(err error) []*Error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var list []*Error
		for _, e := range joined.Unwrap() {
			list = append(list, Errors(e)...)
		}
		return list
	}
	var e *Error
	if errors.As(err, &e) {
		return []*Error{e}
	}
	return nil
}
