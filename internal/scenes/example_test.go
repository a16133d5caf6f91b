package scenes_test

import (
	"fmt"

	"github.com/aladin-go/aladin/internal/scenes"
)

func Example() {
	g := scenes.New(1, &scenes.Options{Split: scenes.Test})
	s := g.Scene(7)
	fmt.Println(s.ID, s.Image.Rect.Dx(), s.Floor)
	for _, o := range s.Objects {
		fmt.Println(" ", o.Size, o.Colour, o.Material, o.Noun())
	}
	for _, c := range s.Captions {
		fmt.Println(c.Text)
		for _, m := range c.Mentions {
			fmt.Println("  ", c.Text[m.Start:m.End], m.Objects)
		}
	}
	// Output:
	// scene-000007 128 grass
	//   medium brown dotted star
	//   large red dotted cone
	// A brown star at the top.
	//    star [0]
	// The red cone is bigger than the brown and white spotted star.
	//    cone [1]
	//    star [0]
	// a group of two things on green grass
	// A brown star is to the right of a red cone with white spots.
	//    star [0]
	//    cone [1]
	// a brown star with white dots and a large red spotted cone on grass .
	//    star [0]
	//    cone [1]
}
