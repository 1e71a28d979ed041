package hostfile

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"os"
	"sync"
)

// amend gives the content of a credentials file as containers/image reads it: without a byte order
// mark, and with the field auth where an entry has user name and password, or an identity token,
// in fields of their own. Docker takes those (docker/cli, cli/config), containers/image passes
// them over without a word.
func amend(data []byte) []byte {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	var file map[string]json.RawMessage
	var auths map[string]map[string]json.RawMessage
	if json.Unmarshal(data, &file) != nil || json.Unmarshal(file["auths"], &auths) != nil {
		return data
	}
	changed := false
	for _, entry := range auths {
		word := func(key string) (s string) {
			_ = json.Unmarshal(entry[key], &s) // what is no text is none
			return s
		}
		user, password, token := word("username"), word("password"), word("identitytoken")
		if word("auth") != "" || token == "" && (user == "" || password == "") {
			continue
		}
		entry["auth"], _ = json.Marshal(base64.StdEncoding.EncodeToString([]byte(cmp.Or(user, "<token>") + ":" + password))) // a text
		changed = true
	}
	if !changed {
		return data
	}
	file["auths"], _ = json.Marshal(auths) // of what was read
	out, err := json.Marshal(file)
	if err != nil {
		return data
	}
	return out
}

// amendedFile is a copy in memory of a file that containers/image would not read as it is.
type amendedFile struct {
	mu   sync.Mutex
	data []byte
	copy *os.File
}

// path gives where the file can be read: itself where nothing is to be amended.
func (a *amendedFile) path(name string) (string, error) {
	found, err := readFile(name)
	if err != nil {
		return "", Cause(err)
	}
	data := amend(found)
	if err := check(data); err != nil || bytes.Equal(data, found) {
		return name, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.copy == nil || !bytes.Equal(a.data, data) {
		if a.copy, err = inMemory(data); err != nil {
			return "", err
		}
		a.data = data
	}
	return memoryPath(a.copy), nil
}
