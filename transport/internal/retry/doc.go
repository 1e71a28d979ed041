// Package retry says when something that failed is tried again, and holds back requests to a host
// that asked for time.
package retry
