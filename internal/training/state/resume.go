package state

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/training/config"
)

// Fits tells whether a run that is started as now may go on from the state, and if not, what differs.
func (s *State) Fits(now *State) error {
	switch {
	case s.Captions != now.Captions:
		return fmt.Errorf("it was trained on %d captions, there are %d now", s.Captions, now.Captions)
	case s.Network != nil && shape(*s.Network) != shape(*now.Network):
		return fmt.Errorf("its network is another one (--teacher?): %s", strings.Join(differences(shape(*s.Network), shape(*now.Network), "json"), ", "))
	case s.Config == now.Config:
		return nil
	}
	x, errX := config.Parse([]byte(s.Config))
	y, errY := config.Parse([]byte(now.Config))
	if err := errors.Join(errX, errY); err != nil {
		return fmt.Errorf("its configuration: %w", err)
	}
	// Keys that one of them lacks, because it is older, have their defaults. How often to save changes nothing.
	x.Training.SaveEvery = y.Training.SaveEvery
	hint := ""
	switch from, to := &x.Training, &y.Training; {
	case from.Epochs == to.Epochs:
	case to.CountsEpochs():
		hint = "; what a step does depends on how many there are: to train longer, start another run from the model of this one (--teacher)"
	case to.Epochs < s.Epoch || to.Epochs == s.Epoch && s.EpochStep > 0:
		return fmt.Errorf("it is in epoch %d, and there shall be %d (training.epochs)", s.Epoch+1, to.Epochs)
	default: // a run of so many epochs would have come here, too
		from.Epochs = to.Epochs
	}
	if d := differences(*x, *y, "yaml"); len(d) > 0 {
		return fmt.Errorf("its configuration is another one: %s%s", strings.Join(d, ", "), hint)
	}
	return nil
}

// shape is a network without what the configuration decides.
func shape(n nn.Config) nn.Config {
	n.Dropout = nn.Dropout{}
	return n
}

// differences lists the fields in which two structs of one type differ, by the names that a tag gives them.
func differences(a, b any, tag string) []string {
	var out []string
	var compare func(x, y reflect.Value, path string)
	compare = func(x, y reflect.Value, path string) {
		if _, leaf := x.Interface().(yaml.Marshaler); x.Kind() != reflect.Struct || leaf {
			if p, q := fmt.Sprint(x.Interface()), fmt.Sprint(y.Interface()); p != q {
				out = append(out, fmt.Sprintf("%s is %s there, %s here", strings.TrimSuffix(path, "."), p, q))
			}
			return
		}
		for i := range x.NumField() {
			name, _, _ := strings.Cut(x.Type().Field(i).Tag.Get(tag), ",")
			if name != "-" {
				compare(x.Field(i), y.Field(i), path+name+".")
			}
		}
	}
	compare(reflect.ValueOf(a), reflect.ValueOf(b), "")
	return out
}
