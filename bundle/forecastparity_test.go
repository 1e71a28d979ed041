package bundle

import "testing"

// TestForecastParity: a forecast counts the parity files of its segments.
func TestForecastParity(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	without, err := f.job.Forecast(f.inv, f.graph, f.everything(t))
	if err != nil {
		t.Fatal(err)
	}
	f.job.Parity = ParityRatio{Parity: 2, Data: 3}
	with, err := f.job.Forecast(f.inv, f.graph, f.everything(t))
	if err != nil {
		t.Fatal(err)
	}
	list := with.Protections()
	if len(without.Protections()) > 0 || len(list) != 1 || with.Segments != without.Segments {
		t.Fatalf("%v, %v; %d segments, %d without", without.Protections(), list, with.Segments, without.Segments)
	}
	segments, groups := 0, int64(len(list[0].Groups))
	for _, n := range list[0].Groups {
		segments += n
	}
	if segments != with.Segments || list[0].Parity != 2 {
		t.Errorf("%d segments are in groups, there are %d", segments, with.Segments)
	}
	if more := with.Bytes - without.Bytes; more < 2*groups*MinSegmentSize/2 || more > 2*groups*MinSegmentSize*6/5 {
		t.Errorf("%d bytes for %d groups", more, groups)
	}
	if more := with.OnDrive(DefaultCluster) - without.OnDrive(DefaultCluster); more < with.Bytes-without.Bytes {
		t.Errorf("%d bytes on the drive", more)
	}
}
