// Package reply reads answers of servers: what they say of an error, how long they want to be
// left alone, what is fit to be shown of them, the next page of a list, and content that comes
// compressed or in part.
package reply
