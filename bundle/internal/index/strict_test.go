package index

import (
	"fmt"
	"strings"
	"testing"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	many := `{"end":{`
	for i := range maxKeys + 1 {
		many += fmt.Sprintf(`"k%d":1,`, i)
	}
	for _, tc := range []struct{ text, wrong string }{
		{`{"segment":{"name":"a","drive":1,"later":{"a":[{"b":"name"},{"b":"\":"}]}}}`, ""},
		{`{"segment" : {"name":"name","drive":1 }}`, ""},
		{`{"gap":{"error":"a \"drive\":1","reasons":[{"name":"x"},{"name":"x"}]}}`, ""},
		{`{"segment":{"drive":1,"name":"a","drive":2}}`, `key "drive" twice`},
		{`{"segment":{"later":1,"LATER":2}}`, `key "LATER" twice`},
		{`{"segment":{"Drive":1}}`, `key "Drive", which is written "drive"`},
		{`{"index":{"packedby":"1"}}`, `key "packedby", which is written "packedBy"`},
		{`{"ſegment":{"drive":1}}`, `key "ſegment" is not plain ASCII`},
		{`{"segment":{"dr\u0069ve":1}}`, `is not plain ASCII`},
		{many + `"end":1}}`, "more than 100 keys"},
	} {
		err := checkKeys([]byte(tc.text))
		if tc.wrong == "" && err != nil || tc.wrong != "" && (err == nil || !strings.Contains(err.Error(), tc.wrong)) {
			t.Errorf("%.80s: %v, want %q", tc.text, err, tc.wrong)
		}
	}
}
