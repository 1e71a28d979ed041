package catalogdiff

// State says what became of a package or a channel.
type State string

// States.
const (
	StateNew     State = "new"
	StateGone    State = "gone"
	StateChanged State = "changed"
)

// Changes is what comes and what goes where one catalog takes the place of another.
type Changes struct {
	Come     Counts    `json:"come"`
	Go       Counts    `json:"go"`
	Packages []Package `json:"packages,omitempty"` // by name, those that are not the same
	// Doubts says what of either catalog could not be read, so that it was not compared;
	// one line each.
	Doubts []string `json:"doubts,omitempty"`
}

// Counts is how much comes, or goes. A version counts once in its package.
type Counts struct {
	Packages int `json:"packages"`
	Channels int `json:"channels"` // those of the packages too
	Versions int `json:"versions"` // those of the channels too
}

// Package is what is not the same of one package.
type Package struct {
	Name           string    `json:"name"`
	State          State     `json:"state"`
	DefaultChannel *Move     `json:"defaultChannel,omitempty"` // of a changed one
	Channels       []Channel `json:"channels,omitempty"`       // by name; of a new or gone one, all
	// Deprecated, and no more deprecated: "package", "channel NAME" or "bundle NAME".
	Deprecated   []string `json:"deprecated,omitempty"`
	Undeprecated []string `json:"undeprecated,omitempty"`
	Rebuilt      []string `json:"rebuilt,omitempty"` // bundles that have another image under the same name
}

// Channel is what is not the same of one channel.
type Channel struct {
	Name  string    `json:"name"`
	State State     `json:"state"`
	Head  *Move     `json:"head,omitempty"` // of a changed one: the bundle that no other updates
	Come  []Version `json:"come,omitempty"` // the oldest first
	Go    []Version `json:"go,omitempty"`   // likewise
}

// Version is a bundle in a channel.
type Version struct {
	Version string `json:"version"` // with its release
	Bundle  string `json:"bundle"`
}

// Move is a name before and after; empty where there is none.
type Move struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Shrinks reports whether packages, channels or versions go.
func (c *Changes) Shrinks() bool { return c.Go != Counts{} }

// Same reports whether the catalogs have the same packages, channels and versions, under
// the same heads and with the same images.
func (c *Changes) Same() bool { return len(c.Packages) == 0 }
