package main

import "testing"

func TestStrangersText(t *testing.T) {
	t.Parallel()
	const one = "1 receipt of this mirror does not count: this host did not write it, and nobody who is trusted has signed it (--trust FILE). What it names stays"
	const two = "2 receipts of this mirror do not count: this host did not write them, and nobody who is trusted has signed them (--trust FILE). What they name stays"
	if got := strangersText(1); got != one {
		t.Error(got)
	}
	if got := strangersText(2); got != two {
		t.Error(got)
	}
}
