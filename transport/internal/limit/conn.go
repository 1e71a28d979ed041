package limit

import (
	"context"
	"net"

	"golang.org/x/time/rate"
)

const (
	// MinBurst is the least number of bytes that may pass at once.
	MinBurst = 1 << 10
	maxBurst = 256 << 10
)

// New makes a limit of bytes a second, nil for none. A burst is an
// eighth of a second's worth, so that the rate holds over short times too.
func New(bytesPerSecond int64) *rate.Limiter {
	if bytesPerSecond <= 0 {
		return nil
	}
	burst := min(max(bytesPerSecond/8, MinBurst), maxBurst)
	return rate.NewLimiter(rate.Limit(bytesPerSecond), int(burst))
}

// connection shares a rate, of both directions together, with its like.
type connection struct {
	net.Conn
	limit *rate.Limiter
	//lint:ignore containedctx net.Conn takes no context
	ctx  context.Context
	stop context.CancelFunc
}

// Conn makes a connection keep to a limit.
func Conn(conn net.Conn, limit *rate.Limiter) net.Conn {
	ctx, stop := context.WithCancel(context.Background())
	return &connection{conn, limit, ctx, stop}
}

func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), c.limit.Burst())])
	if n > 0 {
		if werr := c.limit.WaitN(c.ctx, n); werr != nil && err == nil {
			err = net.ErrClosed // the only end of c.ctx
		}
	}
	return n, err
}

func (c *connection) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		part := p[done:min(len(p), done+c.limit.Burst())]
		if err := c.limit.WaitN(c.ctx, len(part)); err != nil {
			return done, net.ErrClosed
		}
		n, err := c.Conn.Write(part)
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

func (c *connection) Close() error {
	c.stop()
	return c.Conn.Close()
}
