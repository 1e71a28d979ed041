// Package proxy reads what the environment says of proxies.
package proxy
