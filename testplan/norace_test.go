//go:build !race

package testplan

const raceEnabled = false
