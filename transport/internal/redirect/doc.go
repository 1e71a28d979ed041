// Package redirect says where a redirect, and the location of an upload, may lead, and what may go
// with it.
package redirect
