package reply

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"regexp"
	"slices"
)

// lacksPart is the cause where a registry also gives what follows from it: distribution 2.8
// says first that a digest of an index is invalid when it cannot look at a manifest in it.
const lacksPart = "MANIFEST_BLOB_UNKNOWN"

// Reason is what a server's error says.
type Reason struct {
	Code, Message string
	Own           bool // in the form that registries have (OCI distribution-spec, "Error Codes")
	Full          bool // a disk is
	ReadOnly      bool // it is
	Quota         bool // what this user or project may store is used up
}

// Read finds code and message in the body of an error: those of a registry, else of a token
// service (OAuth 2, RFC 6749 section 5.2, and what others write).
func Read(body []byte) (a Reason) {
	var parsed struct {
		Errors []struct {
			Code    json.RawMessage `json:"code"`
			Message string          `json:"message"`
			Detail  json.RawMessage `json:"detail"`
		} `json:"errors"`
	}
	a.Full, a.ReadOnly = fullText.Match(body), readOnlyText.Match(body)
	a.Quota = !a.Full && quotaText.Match(body)
	if json.Unmarshal(body, &parsed) == nil && len(parsed.Errors) > 0 {
		first := parsed.Errors[0]
		for _, e := range parsed.Errors {
			if plainText(e.Code) == lacksPart {
				first = e
				break
			}
		}
		a.Code, a.Message, a.Own = OneLine(plainText(first.Code)), OneLine(first.Message), true
		for _, e := range parsed.Errors {
			a.Full = a.Full || errnoFull.Match(e.Detail)
			a.ReadOnly = a.ReadOnly || errnoReadOnly.Match(e.Detail)
		}
		if a.Message == "" {
			a.Message = OneLine(plainText(first.Detail))
		}
		return a
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		a.Message = xmlMessage(body)
		return a
	}
	for _, name := range []string{"error_description", "message", "details", "detail", "error", "errors", "reason", "msg", "title", "value"} {
		if a.Message = OneLine(plainText(fields[name])); a.Message != "" {
			break
		}
	}
	return a
}

// plainText is the text of a JSON value: a string, or the message or first element of what holds one.
func plainText(value json.RawMessage) string {
	var s string
	var list []json.RawMessage
	var object map[string]json.RawMessage
	switch {
	case len(value) == 0:
	case json.Unmarshal(value, &s) == nil:
		return s
	case json.Unmarshal(value, &list) == nil && len(list) > 0:
		return plainText(list[0])
	case json.Unmarshal(value, &object) == nil && object["message"] != nil && !slices.Contains([]byte{'{', '['}, bytes.TrimSpace(object["message"])[0]):
		return plainText(object["message"])
	}
	return ""
}

// xmlMessage is what stores of objects say in their errors (Amazon S3, "Error Responses").
func xmlMessage(body []byte) string {
	var parsed struct{ Message string }
	if xml.Unmarshal(body, &parsed) != nil {
		return ""
	}
	return OneLine(parsed.Message)
}

var (
	// fullText are the words of systems and stores for a disk or quota that is used up.
	fullText = regexp.MustCompile(`(?i)no space left|disk quota exceeded|not enough space|\benospc\b|\bedquot\b|insufficient storage|disk (is )?full|storage backend has reached its minimum free`)
	// quotaText are the words of registries for what a project may store: Quay, Harbor (quota
	// controller), GitLab, Artifactory, ECR.
	quotaText    = regexp.MustCompile(`(?i)\bquota\b|QUOTA_EXCEEDED|exceed(s|ed)? the configured upper limit|storage limit|(storage|size) limit (has been |is )?(reached|exceeded)|limit ?exceeded ?exception`)
	readOnlyText = regexp.MustCompile(`(?i)read-only file ?system|\berofs\b`)
	// errnoReadOnly is as errnoFull for EROFS.
	errnoReadOnly = regexp.MustCompile(`"Err":\s*30\b`)
	// errnoFull is the error number that distribution's storage driver passes on: Linux's ENOSPC and EDQUOT.
	errnoFull = regexp.MustCompile(`"Err":\s*(28|122)\b`)
)
