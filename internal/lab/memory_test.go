package lab

import "testing"

func TestFitting(t *testing.T) {
	for _, tt := range []struct{ want, memory, free, fit int }{
		{8, 256, 24000, 8},
		{64, 256, 24000, 59},
		{4, 4096, 10000, 2},
		{2, 256, 900, 1},
		{2, 4096, 2000, 1},
		{3, 256, -1, 3},
		{0, 256, -1, 1},
	} {
		if got := fitting(tt.want, tt.memory, tt.free); got != tt.fit {
			t.Errorf("%d VMs of %d MiB in %d: got %d, want %d", tt.want, tt.memory, tt.free, got, tt.fit)
		}
	}
	if got := availableMB([]byte("MemTotal:       24648532 kB\nMemFree:  1 kB\nMemAvailable:   20971520 kB\n")); got != 20480 {
		t.Errorf("got %d", got)
	}
	for _, odd := range []string{"", "MemAvailable: x kB\n", "MemTotal: 5 kB"} {
		if got := availableMB([]byte(odd)); got != -1 {
			t.Errorf("%q: got %d", odd, got)
		}
	}
}
