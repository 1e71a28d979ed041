package main

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	leastColumns = 40 // narrower terminals break lines themselves
	betweenCells = "  "
	belowRow     = "    "
	leastCell    = 10 // columns that a cell of a table keeps
	leastText    = 24 // columns that a last cell needs beside the others
	hanging      = 13 // columns: where the text of most lines begins
	elision      = "..."
)

// table prints rows of cells, the first of which is the head. In a view that is too narrow
// names lose their middle, since they differ at their ends, and the last cell goes on
// below, or begins there.
func (v view) table(w io.Writer, indent string, rows [][]string) error {
	widths, below := v.widths(len(indent), rows)
	var out bytes.Buffer
	for _, row := range rows {
		cells, lines := make([][]string, len(widths)), 1
		for i := range widths {
			switch cell := row[i]; {
			case utf8.RuneCountInString(cell) <= widths[i]:
				cells[i] = []string{cell}
			case i == len(row)-1:
				cells[i] = broken(cell, widths[i])
			case ambiguous(rows, i, cell, widths[i]):
				cells[i] = pieces(cell, widths[i])
			default:
				cells[i] = []string{elided(cell, widths[i])}
			}
			lines = max(lines, len(cells[i]))
		}
		for n := range lines {
			line := indent
			for i, cell := range cells {
				text := ""
				if n < len(cell) {
					text = cell[n]
				}
				line += text + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)) + betweenCells
			}
			out.WriteString(strings.TrimRight(line, " ") + "\n")
		}
		if below && row[len(row)-1] != "" {
			for _, line := range broken(row[len(row)-1], v.columns-len(belowRow)) {
				out.WriteString(belowRow + line + "\n")
			}
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

// fits reports whether a table of rows needs no more columns than there are.
func (v view) fits(rows [][]string) bool {
	all, _ := view{}.widths(0, rows)
	total := -len(betweenCells)
	for _, n := range all {
		total += n + len(betweenCells)
	}
	return v.columns == 0 || total <= v.columns
}

// widths are those of the columns: as much as their cells need or, where the view is too
// narrow, the widest ones less. below says that the last cell of each row has a line of
// its own.
func (v view) widths(indent int, rows [][]string) (widths []int, below bool) {
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	total := indent - len(betweenCells)
	for _, n := range widths {
		total += n + len(betweenCells)
	}
	if v.columns == 0 || total <= v.columns {
		return widths, false
	}
	last := len(widths) - 1
	switch others := total - widths[last]; {
	case others+max(leastText, v.longestWord(rows)) <= v.columns: // it can go on below
		widths[last] = v.columns - others
		return widths, false
	case others-len(betweenCells) <= v.columns && widths[last] >= leastCell: // no name is cut then
		return widths[:last], true
	case widths[last] >= leastText:
		v.narrow(widths[:last], others-len(betweenCells))
		return widths[:last], true
	}
	v.narrow(widths, total)
	return widths, false
}

// longestWord is how many columns the longest word of the last cells has, of those that fit into a
// line of their own.
func (v view) longestWord(rows [][]string) (longest int) {
	for _, row := range rows {
		for word := range strings.FieldsSeq(row[len(row)-1]) {
			if n := utf8.RuneCountInString(word); n <= v.columns-len(belowRow) {
				longest = max(longest, n)
			}
		}
	}
	return longest
}

// narrow takes from the widest columns what the view has no room for.
func (v view) narrow(widths []int, total int) {
	for ; total > v.columns; total-- {
		widest := slices.Index(widths, slices.Max(widths))
		if widths[widest] <= leastCell {
			break
		}
		widths[widest]--
	}
}

// ambiguous reports whether a cell without its middle would look like another.
func ambiguous(rows [][]string, column int, cell string, width int) bool {
	short := elided(cell, width)
	return slices.ContainsFunc(rows, func(row []string) bool {
		return column < len(row) && row[column] != cell && elided(row[column], width) == short
	})
}

// elided takes the middle out of a text that is too long: more is left of its end.
func elided(s string, width int) string {
	r := []rune(s)
	if len(r) <= width || width <= len(elision) {
		return s
	}
	left := width - len(elision)
	return string(r[:left/3]) + elision + string(r[len(r)-(left-left/3):])
}

// pieces cuts a text without loss.
func pieces(s string, width int) (list []string) {
	for part := range slices.Chunk([]rune(s), width) {
		list = append(list, string(part))
	}
	return list
}

// broken breaks a text between words; a word that is too long loses its middle.
func broken(s string, width int) []string {
	words := strings.Fields(s)
	for i := range words {
		words[i] = elided(words[i], width)
	}
	return wrapped(strings.Join(words, " "), width)
}

// wrapped breaks a text between words; a word that is too long is a line that is too long.
func wrapped(s string, width int) (list []string) {
	line := ""
	for word := range strings.FieldsSeq(s) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			list, line = append(list, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(list, line)
}

// breaking breaks lines that are wider than a view.
type breaking struct {
	w    io.Writer
	view view
	rest []byte
}

func (b *breaking) Write(p []byte) (int, error) {
	b.rest = append(b.rest, p...)
	for {
		line, after, ok := bytes.Cut(b.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		if _, err := io.WriteString(b.w, b.view.fit(string(line))+"\n"); err != nil {
			return 0, err
		}
		b.rest = after
	}
}

func (b *breaking) flush() error {
	_, err := io.WriteString(b.w, b.view.fit(string(b.rest)))
	return err
}

// fit breaks one line; what follows stands below its text. In a line that is indented, no word is cut:
// what to do may be a digest to copy.
func (v view) fit(line string) string {
	if utf8.RuneCountInString(line) <= v.columns {
		return line
	}
	if indent := len(line) - len(strings.TrimLeft(line, " ")); indent > 0 && indent < hanging {
		below := strings.Repeat(" ", indent+len(betweenCells))
		return below[:indent] + strings.Join(wrapped(line[indent:], v.columns-len(below)), "\n"+below)
	}
	head, text := "", line
	if line[hanging-1] == ' ' && utf8.ValidString(line[:hanging]) { // a word and spaces, as in "catalog      "
		head, text = line[:hanging], line[hanging:]
	}
	return head + strings.Join(broken(text, v.columns-hanging), "\n"+strings.Repeat(" ", hanging))
}
