package vinvl_test

import (
	"fmt"

	"github.com/aladin-go/aladin/internal/vinvl"
)

func ExampleLabelSentences() {
	tags := []string{"dog", "dog", "traffic_light", "woman", "woman", "dog"}
	for _, s := range vinvl.LabelSentences(tags, true, 0) {
		fmt.Println(s)
	}
	// Output:
	// start of the sequence
	// a photo of three dogs
	// a photo of a traffic light
	// a photo of two women
}
