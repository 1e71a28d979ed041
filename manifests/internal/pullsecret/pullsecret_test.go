package pullsecret

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

const shared = "../../../../shared"

// given reads a file that the tests are given, or skips.
func given(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(shared, name))
	if err != nil {
		t.Skipf("the data that is not part of the project is not here: %v", err)
	}
	return b
}

const entry = `{"auths":{"mirror.example:5000":{"auth":"dXNlcjpzZWNyZXQ="}}}`

func inSecret(field, value string) string {
	return `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"pull-secret"},"type":"kubernetes.io/dockerconfigjson","` + field + `":{".dockerconfigjson":` + value + `}}`
}

func TestParseTakes(t *testing.T) {
	t.Parallel()
	b64 := base64.StdEncoding.EncodeToString([]byte(entry))
	quoted, _ := json.Marshal(entry)
	for name, text := range map[string]string{
		"as downloaded":        entry,
		"bom and crlf":         "\xef\xbb\xbf{\r\n \"auths\": {\"q\": {\"auth\": \"YTpi\"}}\r\n}\r\n",
		"identity token":       `{"auths":{"q":{"identitytoken":"abc"}}}`,
		"registry token":       `{"auths":{"q":{"registrytoken":"abc"}}}`,
		"user and password":    `{"auths":{"q":{"username":"u","password":"p"}}}`,
		"auth is empty":        `{"auths":{"q":{"auth":"","email":""}}}`,
		"helpers beside auths": `{"credHelpers":{"x":"y"},"auths":{"q":{"auth":"YTpi"}}}`,
		"ip and wildcard":      `{"auths":{"[::1]:5000":{"auth":"YTpi"},"*.example.com/a/":{"auth":"YTpi"},"https://index.docker.io/v1/":{"auth":"YTpi"}}}`,
		"secret, data":         inSecret("data", `"`+b64+`"`),
		"secret, stringData":   inSecret("stringData", string(quoted)),
		"yaml, data":           "\xef\xbb\xbfapiVersion: v1\r\nkind: Secret\r\ntype: kubernetes.io/dockerconfigjson\r\ndata:\r\n  .dockerconfigjson: " + b64 + "\r\n",
		"yaml, folded":         "kind: Secret\ntype: kubernetes.io/dockerconfigjson\ndata:\n  .dockerconfigjson: |\n    " + b64[:20] + "\n    " + b64[20:] + "\n",
		"yaml, stringData":     "---\nkind: Secret\nstringData:\n  .dockerconfigjson: |\n    " + entry + "\ntype: kubernetes.io/dockerconfigjson\n",
	} {
		s, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := Parse(s.JSON())
		if err != nil || string(again.JSON()) != string(s.JSON()) {
			t.Errorf("%s: what was written does not read the same: %v", name, err)
		}
	}
}

// refused is a file, and where and why it is refused.
type refused struct {
	text, place, why string
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("[", 40)
	for name, c := range map[string]refused{
		"empty":             {" \n", "1:1", "empty"},
		"PEM":               {"-----BEGIN CERTIFICATE-----\nhunter2\n", "1:1", "is PEM, such as a certificate"},
		"not utf-8":         {"{\"auths\":{\"\xff\":1}}", "1:12", "UTF-8"},
		"a password alone":  {"hunter2\n", "1:1", "value is expected"},
		"cut off":           {`{"auths":{"q":{"auth":"YTpi"}`, "1:30", "brackets are closed"},
		"cut off in string": {`{"auths":{"q":{"auth":"YTp`, "1:27", "within a string"},
		"no comma":          {"{\"auths\":{\"q\":{\"auth\":\"YTpi\"}\n\"r\":{}}}", "2:1", "comma"},
		"no colon":          {"{\n\"auths\" {}}", "2:9", "colon"},
		"comma at the end":  {`{"auths":{"q":{"auth":"YTpi"},}}`, "1:31", "name in double quotes"},
		"single quotes":     {`{'auths':{}}`, "1:2", "name in double quotes"},
		"no quotes":         {`{auths:{}}`, "1:2", "name in double quotes"},
		"line in string":    {"{\"auths\":{\"q\":{\"auth\":\"YT\npi\"}}}", "1:26", "closing quote"},
		"bad escape":        {`{"auths":{"q\x":{}}}`, "1:13", "escape"},
		"half a character":  {`{"auths":{"q\ud800":{}}}`, "1:13", "half"},
		"number":            {`{"auths":{"q":{"x":01}}}`, "1:20", "number"},
		"follows":           {entry + `,"x":1`, "1:62", "nothing may follow"},
		"two documents":     {entry + "\n" + entry, "2:1", "nothing may follow"},
		"registry twice":    {`{"auths":{"q":{"auth":"YTpi"},"\u0071":{"auth":"YTpi"}}}`, "1:31", "twice"},
		"auths twice":       {`{"auths":{"q":{"auth":"YTpi"}},"auths":{}}`, "1:32", "twice"},
		"field twice":       {`{"auths":{"q":{"auth":"YTpi","auth":"YTpj"}}}`, "1:30", "twice"},
		"too deep":          {`{"auths":{"q":` + long, "1:46", "deeper"},
		"a list":            {`[]`, "1:1", `object with "auths"`},
		"no auths":          {`{}`, "1:1", `no "auths"`},
		"auths capital":     {`{"Auths":{}}`, "1:2", "small letters"},
		"auths a list":      {`{"auths":[]}`, "1:10", "object"},
		"no registry":       {`{"auths":{}}`, "1:10", "names no registry"},
		"entry a string":    {`{"auths":{"q":"YTpi"}}`, "1:15", "object"},
		"auth a number":     {`{"auths":{"q":{"auth":1}}}`, "1:23", "text"},
		"auth null":         {`{"auths":{"q":{"auth":null}}}`, "1:23", "text"},
		"Auth capital":      {`{"auths":{"q":{"Auth":"YTpi"}}}`, "1:16", "small letters"},
		"not base64":        {`{"auths":{"q":{"auth":"***"}}}`, "1:23", "not base64"},
		"no colon in auth":  {`{"auths":{"q":{"auth":"dXNlcm9ubHk="}}}`, "1:23", "no colon"},
		"placeholder":       {`{"auths":{"<local_registry>":{"auth":"YTpi"}}}`, "1:11", "HOST[:PORT]"},
		"helpers alone":     {`{"credHelpers":{"quay.io":"secretservice"}}`, "1:1", "helper program"},
		"helpers, no auth":  {`{"credsStore":"desktop","auths":{"quay.io":{}}}`, "1:1", "helper program"},
		"other kind":        {`{"kind":"ConfigMap"}`, "1:9", "kind Secret"},
		"other type":        {`{"kind":"Secret","type":"Opaque"}`, "1:25", "type kubernetes.io"},
		"no data":           {`{"kind":"Secret","type":"kubernetes.io/dockerconfigjson"}`, "1:1", "in exactly one of"},
		"data not base64":   {inSecret("data", `"*"`), "1:138", "not base64"},
		"data a number":     {inSecret("data", `5`), "1:138", "text"},
		"inner fault":       {inSecret("stringData", `"{\n \"auths\":hunter2}"`), "1:144", "line 2, column 10"},
		"yaml syntax":       {"kind: Secret\ntype: [hunter2\n", "2:1", "YAML"},
		"yaml type":         {"kind: Secret\ntype: {hunter2: 1}\n", "2:7", "another type"},
		"yaml other kind":   {"kind: hunter2\n", "1:7", "kind Secret"},
		"yaml no data":      {"kind: Secret\ntype: kubernetes.io/dockerconfigjson\n", "1:1", "in exactly one of"},
		"yaml not base64":   {"kind: Secret\ntype: kubernetes.io/dockerconfigjson\ndata:\n  .dockerconfigjson: hunter\n", "4:22", "not base64"},
		"yaml inner fault":  {"kind: Secret\ntype: kubernetes.io/dockerconfigjson\nstringData:\n  .dockerconfigjson: '{hunter2}'\n", "4:22", "line 1, column 2"},
		"too large":         {strings.Repeat(" ", MaxSize+1), "1:1", "at most"},
	} {
		t.Run(name, func(t *testing.T) { c.check(t) })
	}
}

func (c refused) check(t *testing.T) {
	t.Helper()
	_, err := Parse([]byte(c.text))
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("not refused: %v", err)
	}
	if !strings.HasPrefix(err.Error(), c.place+": ") || !strings.Contains(e.Msg, c.why) {
		t.Errorf("got %q, want %s and %q", err, c.place, c.why)
	}
	silent(t, c.text, e)
}

var words = regexp.MustCompile(`[A-Za-z0-9.:/+=_-]{4,}`)

// silent checks that an error says nothing of the file but what the error would
// say of any file: the names of the format.
func silent(t *testing.T, text string, e *Error) {
	t.Helper()
	known := "auths auth data stringData .dockerconfigjson kubernetes.io/dockerconfigjson kind Secret type base64 null"
	for _, w := range words.FindAllString(text, -1) {
		if strings.Contains(e.Msg, w) && !strings.Contains(known, strings.Trim(w, ":")) {
			t.Errorf("the error %q repeats %q", e.Msg, w)
		}
	}
}

// TestChapter takes the two samples of the reference chapter that are not JSON.
func TestChapter(t *testing.T) {
	t.Parallel()
	chapter := string(given(t, "reference/converting-to-a-disconnected-cluster.txt"))
	first := chapter[strings.Index(chapter, `{"auths":{"<local_registry>"`):]
	first, _, _ = strings.Cut(first, "\n")
	second := chapter[strings.Index(chapter, `{"auths":{"cloud.openshift.com"`):]
	second = second[:strings.Index(second, "\n\n")]

	// The first has more text after its last bracket; the second lacks a colon in its third line.
	refused{first, place(first, `,"<registry>`), "nothing may follow"}.check(t)
	refused{second, place(second, `{"auth":"NTE3MTMwNDB8dWhjLTFEZlN3VHkx`), "colon"}.check(t)
	if !strings.HasPrefix(place(second, `{"auth":"NTE3MTMwNDB8dWhjLTFEZlN3VHkx`), "3:") {
		t.Error("the second sample is another one than was meant")
	}
}

// place is the line and column of a part of a text.
func place(text, part string) string {
	before, _, _ := strings.Cut(text, part)
	e := &Error{Line: strings.Count(before, "\n") + 1, Column: utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1}
	return strings.TrimSuffix(e.Error(), ": ")
}

func TestGivenFiles(t *testing.T) {
	t.Parallel()
	for name, why := range map[string]string{
		"made-here/ocp-four-registries.json": "", "made-here/bom-crlf.json": "",
		"containers-image/full.json": "", "containers-image/example.json": "", "hypershift-fakePullSecret.json": "",
		"made-here/bad-empty-auths.json": "names no registry", "made-here/bad-no-colon.json": "no colon",
		"made-here/bad-not-base64.json": "not base64", "containers-image/legacy.json": `no "auths"`,
		"containers-image/empty.json": `no "auths"`, "containers-image/cred-helper.conf": "value is expected",
	} {
		data := given(t, "data/pull-secret/"+name)
		_, err := Parse(data)
		var e *Error
		switch {
		case why == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case why != "" && (!errors.As(err, &e) || !strings.Contains(e.Msg, why)):
			t.Errorf("%s: got %v, want %q", name, err, why)
		case why != "":
			silent(t, string(data), e)
		}
	}
}

// TestFaithful checks that entries and other fields go through byte for byte.
func TestFaithful(t *testing.T) {
	t.Parallel()
	const odd = `{ "auth" : "YTpi",  "email":"\u0061@b", "x": [1, 2.50, {"y":null}] }`
	s, err := Parse([]byte(`{"HttpHeaders": {"A":"b"}, "auths": {"cloud.openshift.com":{"auth":"YTpi"}, "q\u002eio" : ` + odd + `}, "z":1e5}`))
	if err != nil {
		t.Fatal(err)
	}
	got := string(s.Add("mirror.example:5000", "user", "p:ä").JSON())
	want := `{"auths":{"cloud.openshift.com":{"auth":"YTpi"},"q\u002eio":` + odd +
		`,"mirror.example:5000":{"auth":"dXNlcjpwOsOk"}},"HttpHeaders":{"A":"b"},"z":1e5}` + "\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	less, found := s.WithoutHost("cloud.openshift.com")
	if want := `{"auths":{"q\u002eio":` + odd + `},"HttpHeaders":{"A":"b"},"z":1e5}` + "\n"; string(less.JSON()) != want || !found {
		t.Errorf("got  %s\nwant %s", less.JSON(), want)
	}
	if _, found := less.WithoutHost("cloud.openshift.com"); found {
		t.Error("an entry was taken out twice")
	}
}

func TestCovers(t *testing.T) {
	t.Parallel()
	s, err := Parse([]byte(`{"auths":{"m:5000/ocp":{"auth":"YTpi"},"https://n.example/v1/":{"auth":"YTpi"},"o/x/":{"auth":"YTpi"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"m:5000/ocp/a": "m:5000/ocp", "m:5000/ocp": "m:5000/ocp", "m:5000/ocp2": "", "m:5000": "", "m": "",
		"n.example": "https://n.example/v1/", "n.example/a": "https://n.example/v1/",
		"o/x": "", // containers/image finds no key with a slash at its end
	} {
		if got, ok := s.Covers(name); got != want || ok != (want != "") {
			t.Errorf("%s is covered by %q, want %q", name, got, want)
		}
	}
}

// TestEmptyEntries: an entry without a credential counts for nothing, and makes way.
func TestEmptyEntries(t *testing.T) {
	t.Parallel()
	s, err := Parse([]byte(`{"auths":{"m:5000":{},"m:5000/ocp":{"auth":"","email":"a@b"},"m:50001":{},"q":{"auth":"YTpi"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if entry, ok := s.Covers("m:5000/ocp/a"); ok {
		t.Errorf("%s counts as a credential", entry)
	}
	s = s.Add("m:5000", "u", "p")
	if want := `{"auths":{"m:50001":{},"q":{"auth":"YTpi"},"m:5000":{"auth":"dTpw"}}}` + "\n"; string(s.JSON()) != want {
		t.Errorf("got  %s\nwant %s", s.JSON(), want)
	}
	if entry, _ := s.Covers("m:5000/ocp/a"); entry != "m:5000" || !s.Gives(entry, "u", "p") {
		t.Errorf("%q is used", entry)
	}
}

func TestGives(t *testing.T) {
	t.Parallel()
	s, err := Parse([]byte(`{"auths":{"auth":{"auth":"dTpw"},"words":{"username":"u","password":"p"},"token":{"auth":"dTpw","identitytoken":"t"},"empty":{}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for entry, want := range map[string]bool{"auth": true, "words": true, "token": false, "empty": false, "absent": false} {
		if s.Gives(entry, "u", "p") != want || s.Gives(entry, "u", "q") {
			t.Errorf("%s gives u:p: %t", entry, !want)
		}
	}
}

// FuzzParse: whatever is taken is JSON for others too, and reads the same again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(entry))
	f.Add([]byte(inSecret("data", `"e30="`)))
	f.Add([]byte("kind: Secret\ntype: kubernetes.io/dockerconfigjson\nstringData:\n  .dockerconfigjson: '" + entry + "'\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse(data)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 {
				t.Fatalf("an error without a place: %v", err)
			}
			return
		}
		out := s.JSON()
		if !json.Valid(out) {
			t.Fatalf("not JSON: %s", out)
		}
		if again, err := Parse(out); err != nil || string(again.JSON()) != string(out) {
			t.Fatalf("reads differently: %v", err)
		}
	})
}
