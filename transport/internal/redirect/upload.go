package redirect

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/satchel-airgap/satchel/transport/internal/reply"
)

// UploadError says that a registry sent an upload where its bytes must not go.
type UploadError struct {
	Why   string
	Named bool // it gives itself another name, or scheme, than the one that it was asked by
}

func (e *UploadError) Error() string { return e.Why }

// Upload is where the answer to the POST of an upload sends its bytes. Bytes and credential
// follow it, so it must be the host that was asked, HOST[:PORT], and by no worse scheme; else the
// error is an *[UploadError].
func Upload(resp *http.Response, host string) (*url.URL, error) {
	to, err := resp.Location()
	if err != nil {
		return nil, &UploadError{Why: "the registry started an upload and gave no location"}
	}
	to.User = nil
	asked := *resp.Request.URL
	asked.Host = host // also when the POST was redirected
	sameScheme := to.Scheme == asked.Scheme
	samePort := to.Port() == asked.Port() || sameScheme && Port(to) == Port(&asked)
	switch {
	case !strings.EqualFold(to.Hostname(), asked.Hostname()) || !samePort:
		return nil, &UploadError{fmt.Sprintf("the registry wants the upload on another host, %s; that is refused", reply.OneLine(to.Host)), true}
	case !sameScheme && to.Scheme != "https":
		return nil, &UploadError{fmt.Sprintf("the registry wants the upload by %s on %s, where it was asked by %s; that is refused", reply.OneLine(to.Scheme), reply.OneLine(to.Host), asked.Scheme), true}
	}
	return to, nil
}
