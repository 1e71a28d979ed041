package updatepath

// Stage is a part of a path. In one that waits, the pools of worker nodes are paused before the
// first update and go on after the last, so that worker nodes restart once.
type Stage struct {
	Steps []Step
	Waits bool
}

// Stages parts a path: the updates over two minor versions each are one stage that waits.
func Stages(steps []Step) (list []Stage) {
	for i := 0; i < len(steps); {
		end := waiting(steps, i)
		waits := end > i
		for end = max(end, i+1); !waits && end < len(steps) && waiting(steps, end) == end; end++ {
		}
		list = append(list, Stage{steps[i:end], waits})
		i = end
	}
	return list
}

// waiting gives the end of the stage that waits from the step at i on; i for none.
func waiting(steps []Step, i int) int {
	if steps[i].From.Major == 0 || !steps[i].Minor() { // of an unknown version nothing is known
		return i
	}
	from := MinorOf(steps[i].From)
	for end := i; end < len(steps); end++ {
		if to := MinorOf(steps[end].To); Skips(from, to) {
			for end+1 < len(steps) && MinorOf(steps[end+1].To) == to {
				end++ // a later release of the same minor version
			}
			return end + 1
		}
	}
	return i
}
