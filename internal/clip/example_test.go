package clip_test

import (
	"fmt"

	"github.com/aladin-go/aladin/internal/clip"
)

func ExampleLabelSentences() {
	tags := []string{"dog", "dog", "traffic_light", "woman", "woman", "dog"}
	for _, s := range clip.LabelSentences(tags, true, 0) {
		fmt.Println(s)
	}
	// Output:
	// start of the sequence
	// a photo of three dogs
	// a photo of a traffic light
	// a photo of two women
}
