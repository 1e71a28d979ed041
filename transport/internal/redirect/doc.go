// Package redirect says where a redirect may lead, and what may go with it.
package redirect
