package reply

import "testing"

func TestReadAnswer(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]Reason{
		`{"errors":[{"code":"DENIED","message":"not for you"}]}`:                                                                                                                                      {"DENIED", "not for you", true, false, false, false},
		`{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":{"DriverName":"filesystem","Enclosed":{"Err":28}}}]}`:                                                                        {"UNKNOWN", "unknown error", true, true, false, false},
		`{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":{"Err":122}}]}`:                                                                                                              {"UNKNOWN", "unknown error", true, true, false, false},
		`{"errors":[{"code":"UNKNOWN","message":"write /var/lib/a: no space left on device"}]}`:                                                                                                       {"UNKNOWN", "write /var/lib/a: no space left on device", true, true, false, false},
		`{"errors":[{"code":"A","message":"a"},{"code":"B","detail":"Disk quota exceeded"}]}`:                                                                                                         {"A", "a", true, true, false, false},
		`{"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match uploaded content"},{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry","detail":"sha256:0"}]}`: {"MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", true, false, false, false},
		`{"errors":[{"code":500,"message":"","detail":"what it is"}]}`:                                                                                                                                {"", "what it is", true, false, false, false},
		`{"errors":[{"code":"DENIED","message":"adding 1 GiB of storage resource, which when updated to current usage will exceed the configured upper limit"}]}`:                                     {"DENIED", "adding 1 GiB of storage resource, which when updated to current usage will exceed the configured upper limit", true, false, false, true},
		`{"errors":[{"code":"DENIED","message":"Quota has been exceeded on namespace"}]}`:                                                                                                             {"DENIED", "Quota has been exceeded on namespace", true, false, false, true},
		`{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":{"DriverName":"filesystem","Enclosed":{"Op":"mkdir","Err":30}}}]}`:                                                           {"UNKNOWN", "unknown error", true, false, true, false},
		`{"details":"incorrect username or password"}`:                                                                                                                                                {"", "incorrect username or password", false, false, false, false},
		`{"error":"invalid_grant","error_description":"it has ended"}`:                                                                                                                                {"", "it has ended", false, false, false, false},
		`{"error":{"message":"no such thing","status":404}}`:                                                                                                                                          {"", "no such thing", false, false, false, false},
		`{"errors":["first","second"]}`: {"", "first", false, false, false, false},
		`{"message":"a\nb"}`:            {"", "a b", false, false, false, false}, `{"code":128,"msg":"x"}`: {"", "x", false, false, false, false},
		``: {}, `null`: {}, `[]`: {}, `"x"`: {}, `<html>507</html>`: {}, `{"error":{"message":{"message":"deep"}}}`: {}, `{"message":[[[]]]}`: {},
	} {
		if got := Read([]byte(body)); got != want {
			t.Errorf("%s: %+v, want %+v", body, got, want)
		}
	}
}
