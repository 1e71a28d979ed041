package pullsecret

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// of writes a pull secret from NAME=USER:PASSWORD; a word without = is an entry without a
// credential, and one with =token has a token.
func of(t *testing.T, entries ...string) *Secret {
	t.Helper()
	var list []string
	for _, e := range entries {
		name, login, has := strings.Cut(e, "=")
		body := "{}"
		switch {
		case login == "token":
			body = `{"identitytoken":"t"}`
		case has:
			body = fmt.Sprintf(`{"auth":%q}`, base64.StdEncoding.EncodeToString([]byte(login)))
		}
		list = append(list, fmt.Sprintf("%q:%s", name, body))
	}
	s, err := ParsePresent([]byte(`{"auths":{` + strings.Join(list, ",") + `}}`))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestEdit: what becomes of a pull secret, and which registries are said to have changed.
func TestEdit(t *testing.T) {
	t.Parallel()
	now := of(t, "cloud.openshift.com=c:c", "quay.io=q:q", "m:5000=node:1")
	for name, c := range map[string]struct {
		now  *Secret
		edit Edit
		want *Secret
		says string
	}{
		"the entry stands":           {now, Edit{Add: of(t, "m:5000=node:1")}, now, "{[] [] [] [cloud.openshift.com m:5000 quay.io] []}"},
		"a new entry":                {of(t, "quay.io=q:q"), Edit{Add: of(t, "m:5000=node:1")}, of(t, "quay.io=q:q", "m:5000=node:1"), "{[m:5000] [] [] [quay.io] []}"},
		"into none":                  {of(t), Edit{Add: of(t, "m:5000=node:1")}, of(t, "m:5000=node:1"), "{[m:5000] [] [] [] []}"},
		"another password":           {now, Edit{Add: of(t, "m:5000=node:2")}, of(t, "cloud.openshift.com=c:c", "quay.io=q:q", "m:5000=node:2"), "{[] [m:5000] [] [cloud.openshift.com quay.io] []}"},
		"the name as a URL":          {of(t, "https://m:5000/v2/=node:1"), Edit{Add: of(t, "m:5000=node:1")}, of(t, "https://m:5000/v2/=node:1"), "{[] [] [] [https://m:5000/v2/] []}"},
		"an empty entry":             {of(t, "m:5000", "m:5000/ocp", "m:50001"), Edit{Add: of(t, "m:5000=node:1")}, of(t, "m:50001", "m:5000=node:1"), "{[] [m:5000] [m:5000/ocp] [m:50001] []}"},
		"a more precise entry":       {of(t, "m:5000/ocp=old:1"), Edit{Add: of(t, "m:5000=node:1")}, of(t, "m:5000/ocp=old:1", "m:5000=node:1"), "{[m:5000] [] [] [m:5000/ocp] [m:5000/ocp]}"},
		"a token for a password":     {of(t, "m:5000=token"), Edit{Add: of(t, "m:5000=node:1")}, of(t, "m:5000=node:1"), "{[] [m:5000] [] [] []}"},
		"missing, and it is":         {of(t, "quay.io=q:q"), Edit{AddMissing: of(t, "m:5000=push:1")}, of(t, "quay.io=q:q", "m:5000=push:1"), "{[m:5000] [] [] [quay.io] []}"},
		"missing, and it is not":     {now, Edit{AddMissing: of(t, "m:5000=push:1")}, now, "{[] [] [] [cloud.openshift.com m:5000 quay.io] []}"},
		"missing, and a wider there": {now, Edit{AddMissing: of(t, "m:5000/ocp=push:1")}, now, "{[] [] [] [cloud.openshift.com m:5000 quay.io] []}"},
		"without Insights":           {now, Edit{Remove: []string{"cloud.openshift.com"}}, of(t, "quay.io=q:q", "m:5000=node:1"), "{[] [] [cloud.openshift.com] [m:5000 quay.io] []}"},
		"without what is not there":  {now, Edit{Remove: []string{"registry.redhat.io", "m"}}, now, "{[] [] [] [cloud.openshift.com m:5000 quay.io] []}"},
		"back, all of it": {of(t, "quay.io=q:q", "m:5000=node:1"), Edit{Restore: of(t, "cloud.openshift.com=c:c", "quay.io=old:1"), Hosts: []string{"cloud.openshift.com", "m:5000"}},
			of(t, "quay.io=q:q", "cloud.openshift.com=c:c"), "{[cloud.openshift.com] [] [m:5000] [quay.io] []}"},
		"back, to another entry": {now, Edit{Restore: of(t, "m:5000=before:1"), Hosts: []string{"m:5000"}},
			of(t, "cloud.openshift.com=c:c", "quay.io=q:q", "m:5000=before:1"), "{[] [m:5000] [] [cloud.openshift.com quay.io] []}"},
	} {
		before := string(c.now.JSON())
		got, changes := c.now.Edit(c.edit)
		if string(got.JSON()) != string(c.want.JSON()) {
			t.Errorf("%s: %s\nwant %s", name, got.JSON(), c.want.JSON())
		}
		if says := fmt.Sprint(changes); says != c.says || changes.None() != (string(got.JSON()) == before) {
			t.Errorf("%s: %s, want %s", name, says, c.says)
		}
		if string(c.now.JSON()) != before {
			t.Errorf("%s: the present one was changed", name)
		}
		if again, changes := got.Edit(c.edit); !changes.None() || string(again.JSON()) != string(got.JSON()) {
			t.Errorf("%s: a second time changes %v", name, changes)
		}
	}
}

// TestPresent: a cluster may have no registry in its pull secret; a file that is given may not.
func TestPresent(t *testing.T) {
	t.Parallel()
	s, err := ParsePresent([]byte("\xef\xbb\xbf" + `{"x": {"y":1}, "auths": {}}` + "\n"))
	if err != nil || string(s.JSON()) != `{"auths":{},"x":{"y":1}}`+"\n" {
		t.Errorf("%v, %v", s, err)
	}
	for _, text := range []string{"", `{}`, `{"auths":[]}`, `{"auths":{"q":{"auth":"*"}}}`, strings.Repeat(" ", MaxSize) + `{"auths":{}}`} {
		if _, err := ParsePresent([]byte(text)); err == nil {
			t.Errorf("%.20q is taken", text)
		}
	}
	user, password, ok := of(t, "m=u:p:q").Login("m")
	if user != "u" || password != "p:q" || !ok {
		t.Errorf("%q, %q, %t", user, password, ok)
	}
	if _, _, ok := of(t, "m=token").Login("m"); ok {
		t.Error("a token is a login")
	}
	if got := of(t, "a=a:a", "b/c=b:b").Names(); fmt.Sprint(got) != "[a b/c]" {
		t.Errorf("%v", got)
	}
}
