package bundle

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestVerifyDevices: drives on different devices are read at the same time, those on one in turn; what was found is in the
// order of the drives.
func TestVerifyDevices(t *testing.T) {
	t.Parallel()
	s := newSeveral(t, false)
	for name, c := range map[string]struct {
		same     func(a, b int) bool // nil: as they are
		together []int               // drives that must be read at the same time
	}{
		"each on its own":  {func(a, b int) bool { return false }, []int{1, 2, 3}},
		"two on one":       {func(a, b int) bool { return a < 2 && b < 2 }, []int{1, 3}},
		"all on one":       {func(a, b int) bool { return true }, []int{1}},
		"as they are here": {nil, []int{1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, err := openToVerify(s.dirs, Wanted{})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var mu sync.Mutex
			var began []int
			all := make(chan struct{})
			var list []*verification
			for _, d := range o.drives {
				var once sync.Once
				reached := func(int64) {
					once.Do(func() {
						mu.Lock()
						began = append(began, d.drive.Drive)
						if len(began) == len(c.together) {
							close(all)
						}
						mu.Unlock()
						select { // nobody goes on before all that are read together have begun
						case <-all:
						case <-ctx.Done():
							t.Errorf("drive %d is read alone", d.drive.Drive)
						}
					})
				}
				list = append(list, &verification{driveDir: d, opts: VerifyOptions{Progress: reached}})
			}
			if c.same == nil {
				c.same = onOneDevice(list)
			}
			if err := runAll(ctx, list, c.same); err != nil {
				t.Error(err)
			}
			first := slices.Sorted(slices.Values(began[:len(c.together)]))
			if !slices.Equal(first, c.together) || len(began) != 3 {
				t.Errorf("drives were begun in the order %v, want %v at the same time", began, c.together)
			}
			if err := o.close(); err != nil {
				t.Error(err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Verify(ctx, s.dirs, VerifyOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a run that is cancelled gives %v", err)
	}
}
