package lab

import (
	"bytes"
	"fmt"
	"os"
)

// What a virtual machine takes beside its guest's memory, and what is left to the compiler and everything else, in MiB.
const (
	overheadMB = 128
	reserveMB  = 1024
)

// Machines is how many virtual machines with memoryMB each are at work at once beside jobs compiler processes, 1 at least: half as many
// more than those, as a machine often waits (whether a case moves, for a disk), and not more than the host's free memory has room for.
func Machines(jobs, memoryMB int) int { return roomFor(jobs+jobs/2, memoryMB) }

// roomFor is how many of want machines the host's free memory has room for, 1 at least.
func roomFor(want, memoryMB int) int {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return max(want, 1)
	}
	return fitting(want, memoryMB, availableMB(info))
}

// IdleMachines is how many machines may stay booted beside those at work, of which there are busy: at most half of the room.
func IdleMachines(want, busy, memoryMB int) int {
	return max(0, min(want, roomFor(2*(want+busy), memoryMB)/2-busy))
}

func fitting(want, memoryMB, freeMB int) int {
	if freeMB < 0 { // not known
		return max(want, 1)
	}
	return max(1, min(want, (freeMB-reserveMB)/(memoryMB+overheadMB)))
}

// availableMB reads MemAvailable of /proc/meminfo (proc(5)), -1 when it is not there.
func availableMB(info []byte) int {
	for line := range bytes.Lines(info) {
		var kb int
		if _, err := fmt.Sscanf(string(line), "MemAvailable: %d kB", &kb); err == nil {
			return kb / 1024
		}
	}
	return -1
}
