package serve

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// stall is how long a client may take nothing before its connection is cut.
const stall = 2 * time.Minute

// Error codes of the specification; the last two are those that registries answer with where it
// has none.
const (
	codeBlobUnknown     = "BLOB_UNKNOWN"
	codeUploadUnknown   = "BLOB_UPLOAD_UNKNOWN"
	codeDigestInvalid   = "DIGEST_INVALID"
	codeManifestUnknown = "MANIFEST_UNKNOWN"
	codeNameInvalid     = "NAME_INVALID"
	codeNameUnknown     = "NAME_UNKNOWN"
	codeUnauthorized    = "UNAUTHORIZED"
	codeTooMany         = "TOOMANYREQUESTS"
	codeUnsupported     = "UNSUPPORTED"
	codeUnknown         = "UNKNOWN"
	codeUnavailable     = "UNAVAILABLE"
)

// answer is a response whose head waits for the first byte of its body: until then it can
// become an error.
type answer struct {
	http.ResponseWriter
	control *http.ResponseController
	code    int // 0: none yet
	begun   bool
	bytes   int64
}

func newAnswer(w http.ResponseWriter) *answer {
	return &answer{ResponseWriter: w, control: http.NewResponseController(w)}
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(code int) {
	if !a.begun {
		a.code = code
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.begin()
	a.extend()
	n, err := a.ResponseWriter.Write(p)
	a.bytes += int64(n)
	return n, err
}

// begin sends the head.
func (a *answer) begin() {
	if a.begun {
		return
	}
	a.begun = true
	if a.code == 0 {
		a.code = http.StatusOK
	}
	a.extend()
	a.ResponseWriter.WriteHeader(a.code)
}

// extend gives the client time again. A connection keeps what it was given for the last answer.
func (a *answer) extend() {
	_ = a.control.SetWriteDeadline(time.Now().Add(stall)) // what cannot have one waits longer
}

// describing is what a head says of content that does not follow.
var describing = []string{"Content-Length", "Content-Range", "Content-Type", "Accept-Ranges", "Etag", "Docker-Content-Digest"}

// refuse answers with an error as the specification has it.
func (a *answer) refuse(status int, code, format string, args ...any) {
	for _, name := range describing {
		a.Header().Del(name)
	}
	type failure struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	a.json(status, map[string][]failure{"errors": {{code, fmt.Sprintf(format, args...)}}})
}

// json answers with a value.
func (a *answer) json(status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // it has no type that cannot be written
		status, body = http.StatusInternalServerError, []byte("{}")
	}
	if a.Header().Get("Content-Type") == "" {
		a.Header().Set("Content-Type", "application/json")
	}
	a.Header().Set("Content-Length", strconv.Itoa(len(body)))
	a.WriteHeader(status)
	_, _ = a.Write(body) // the client may be gone
}
