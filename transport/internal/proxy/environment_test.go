package proxy

import (
	"strings"
	"testing"
)

func TestParseProxy(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"http://proxy.example:3128": "http://proxy.example:3128", " proxy.example:3128 ": "http://proxy.example:3128", "proxy.example": "http://proxy.example",
		"http://u:p@proxy.example:3128/": "http://u:p@proxy.example:3128/", "https://proxy.example": "https://proxy.example", "socks5://127.0.0.1:1080": "socks5://127.0.0.1:1080",
		"u:p@proxy.example:80": "http://u:p@proxy.example:80", "[::1]:3128": "http://[::1]:3128", "HTTP://proxy.example": "http://proxy.example",
		"http:/proxy.example:3128": "", "http//proxy.example": "", "htp://proxy.example": "", "http://": "", "http://proxy.example:31z8": "", "http://:3128": "",
		`"http://proxy.example"`: "", "http://proxy example": "", "proxy.example:99999": "", "proxy.example:0": "", "http://u:p%@proxy.example:1": "", "3128": "http://3128",
	} {
		u, err := parseProxy(value)
		if want == "" {
			if err == nil {
				t.Errorf("%q is read as %s", value, u)
			}
			continue
		}
		if err != nil || u.String() != want {
			t.Errorf("%q: %v, %v, want %s", value, u, err, want)
		}
	}
}

// TestUnreadableProxy wants an error, and no connection, where the HTTP library connects directly.

// TestSecretOfProxy: a password that an address may not have as it is, is what is wrong with it.
func TestSecretOfProxy(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"http://u:sek ret@127.0.0.1:9", "http://u:a#b@proxy.example:9", "u:a/b@proxy.example:9", "http://u:p%@proxy.example:1", "http://u:a?b@h:1"} {
		if _, err := parseProxy(value); err == nil || !strings.Contains(err.Error(), "%23 for #") {
			t.Errorf("%s: %v", value, err)
		}
	}
	if _, err := parseProxy("http://u:p@:9"); err == nil || strings.Contains(err.Error(), "%23") {
		t.Error(err)
	}
}
