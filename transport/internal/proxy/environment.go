package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
	"golang.org/x/net/http/httpproxy"
)

// Proxies are the proxies that the environment configures.
type Proxies struct {
	by map[string]Variable // by the scheme of a request
	of func(*url.URL) (*url.URL, error)
}

// Variable names the proxy for one scheme.
type Variable struct {
	Name  string
	Value string // without user and password
	Err   error  // why it cannot be read
}

func (v Variable) String() string { return v.Name + "=" + v.Value }

// Environment reads the variables in the order of the HTTP library. That takes an address
// which it cannot read for none, and would connect directly.
func Environment() *Proxies {
	p := &Proxies{by: map[string]Variable{}}
	cfg := &httpproxy.Config{NoProxy: cmp.Or(os.Getenv("NO_PROXY"), os.Getenv("no_proxy")), CGI: os.Getenv("REQUEST_METHOD") != ""}
	for scheme, to := range map[string]*string{"http": &cfg.HTTPProxy, "https": &cfg.HTTPSProxy} {
		v := Variable{Name: strings.ToUpper(scheme) + "_PROXY"}
		value := os.Getenv(v.Name)
		if value == "" {
			v.Name = strings.ToLower(v.Name)
			value = os.Getenv(v.Name)
		}
		if value == "" {
			continue
		}
		u, err := parseProxy(value)
		if err != nil {
			v.Value, v.Err = text.OneLine(text.Printable(userText.ReplaceAllString(value, "$1"))), err
			u = &url.URL{Scheme: "http", Host: "unreadable.invalid"} // NO_PROXY is still looked at
		} else {
			v.Value = u.Scheme + "://" + reply.OneLine(u.Host)
		}
		p.by[scheme], *to = v, u.String()
	}
	p.of = cfg.ProxyFunc()
	return p
}

// userText is what comes before the host of an address, well formed or not.
var userText = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*:/*)?.*@`)

// parseProxy reads the address of a proxy: a URL, or HOST[:PORT].
func parseProxy(value string) (*url.URL, error) {
	value = strings.TrimSpace(value)
	whole := strings.Contains(value, "://")
	if !whole {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	_, _, secret := strings.Cut(value, "@")
	switch {
	case secret && (err != nil || u.User == nil):
		return nil, errors.New("its user name or password has a character that an address may not have as it is: write it with % and two digits, such as %20 for a space, %23 for #, %2F for /, %40 for @")
	case err != nil || u.Hostname() == "" || !whole && strings.Trim(u.Path, "/") != "":
		return nil, errors.New("it is not the address of a proxy, such as http://proxy.example:3128")
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" && u.Scheme != "socks5h":
		return nil, fmt.Errorf("the address of a proxy begins with http, https or socks5, not with %q", reply.OneLine(u.Scheme))
	}
	if n, err := strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && (err != nil || n == 0) {
		return nil, fmt.Errorf("%q is not a port", reply.OneLine(u.Port()))
	}
	return u, nil
}

// Via gives the variable whose proxy a request goes through; false for none.
func (p *Proxies) Via(u *url.URL) (Variable, bool) {
	to, err := p.of(u)
	if to == nil && err == nil {
		return Variable{}, false
	}
	v, ok := p.by[u.Scheme]
	return v, ok
}

// Of is the proxy for a request to an address, as the HTTP library asks for it; nil for none.
func (p *Proxies) Of(u *url.URL) (*url.URL, error) { return p.of(u) }
