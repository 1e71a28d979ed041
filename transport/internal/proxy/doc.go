// Package proxy reads what the environment says of proxies, and names the proxy for what it did
// to a request.
package proxy
