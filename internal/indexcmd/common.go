package indexcmd

import (
	"fmt"
	"time"

	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/source"
)

// skipped is a Skip as JSON.
type skipped struct {
	What   string `json:"what"`
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

func skips(all source.Skips) []skipped {
	out := []skipped{}
	for _, k := range all {
		out = append(out, skipped{k.What, k.Name, k.Err.Error()})
	}
	return out
}

// shownSkips is how many skips are named on a terminal; --json names all.
const shownSkips = 20

// noLockVar registers --no-lock.
func noLockVar(f *cli.Flags, v *bool) {
	f.Group(cli.Advanced)
	defer f.Group(cli.General)
	f.BoolVar(v, "no-lock", false, "take no lock, on a disk that has none; see to it that nothing else writes to the index")
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// size writes a number of bytes for people.
func size(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d bytes", n)
	}
	v, k := float64(n)/unit, 0
	for v >= unit && k < 3 {
		v, k = v/unit, k+1
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGT"[k])
}
