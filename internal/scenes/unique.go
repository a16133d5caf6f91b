package scenes

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// UniqueShare tells which captions fit exactly one of the scenes: perCaption[i][j] is true where
// caption j of scenes[i] cannot be said of any other scene of the list. share is their share of all
// captions. The check is by meaning, not by wording, and errs towards calling a caption ambiguous:
// of the other scenes it asks MayHoldIn. No retrieval can be right about the others but by luck.
func UniqueShare(scenes []*Scene) (share float64, perCaption [][]bool) {
	world := make([]*facts, len(scenes))
	for i, s := range scenes {
		world[i] = newFacts(s)
	}
	perCaption = make([][]bool, len(scenes))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(scenes)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(scenes); i = int(next.Add(1)) - 1 {
				unique := make([]bool, len(scenes[i].Captions))
				for j := range unique {
					unique[j] = fitsOnly(&scenes[i].Captions[j].Form, world, i)
				}
				perCaption[i] = unique
			}
		})
	}
	wg.Wait()
	all, only := 0, 0
	for _, captions := range perCaption {
		for _, unique := range captions {
			all++
			if unique {
				only++
			}
		}
	}
	if all == 0 {
		return 0, perCaption
	}
	return float64(only) / float64(all), perCaption
}

// fitsOnly tells whether the form can be said of no scene but scene own.
func fitsOnly(f *Form, world []*facts, own int) bool {
	for i, x := range world {
		if i != own && f.holds(x, &x.loose) {
			return false
		}
	}
	return true
}
