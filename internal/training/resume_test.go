package training

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/optim"
	"github.com/aladin-go/aladin/internal/training/param"
	"github.com/aladin-go/aladin/internal/training/state"
)

// A state goes on where it was started alike, and else says what differs. One that was saved before the
// configuration had some key goes on where that key has its default, and only there.
func TestStateFits(t *testing.T) {
	cfg := config.Default()
	cfg.Training.BatchSize = 8
	now := func() *state.State {
		return &state.State{Config: string(cfg.YAML()), Captions: 30, Network: &nn.Config{Layers: 2}}
	}
	old := func(yaml string) *state.State {
		return &state.State{Config: yaml, Captions: 30, Network: &nn.Config{Layers: 2}}
	}
	require.NoError(t, now().Fits(now()))
	require.NoError(t, old("training: {bs: 8}\n").Fits(now()))
	require.NoError(t, (&state.State{Config: now().Config, Captions: 30}).Fits(now()), "older states have no network")
	require.NoError(t, old("training: {bs: 8, save-every: 3}\n").Fits(now()), "how often to save changes nothing")
	require.ErrorContains(t, old("training: {bs: 9}\n").Fits(now()), "training.bs is 9 there, 8 here")
	require.ErrorContains(t, old("training: {bs: 8, augment: [flip], loss-weights: auto}\n").Fits(now()),
		"training.loss-weights is {true []} there, {false []} here, training.augment is [flip] there, [] here")
	require.ErrorContains(t, old("training: {size: 8}\n").Fits(now()), "unknown key", "unknown keys are no defaults")
	far := old("training: {bs: 8, epochs: 9}\n")
	require.NoError(t, far.Fits(now()), "with StepLR the number of epochs changes nothing else")
	far.Epoch, far.EpochStep = 20, 0
	require.NoError(t, far.Fits(now()), "all 20 epochs are done")
	far.EpochStep = 1
	require.ErrorContains(t, far.Fits(now()), "it is in epoch 21, and there shall be 20")
	far.Epoch, far.Config = 1, "training: {bs: 8, epochs: 9, scheduler: cosine}\n"
	cfg.Training.Scheduler = "cosine"
	require.ErrorContains(t, far.Fits(now()), "training.epochs is 9 there, 20 here; what a step does depends on how many there are")
	cfg.Training.Scheduler = "steplr"
	cfg.Encoder.GlobalPair = 0.5
	require.ErrorContains(t, old("training: {bs: 8}\n").Fits(now()), "encoder.global-pair is 0 there, 0.5 here")

	other := now()
	other.Network = &nn.Config{Layers: 3}
	require.ErrorContains(t, now().Fits(other), "(--teacher?): layers is 2 there, 3 here")
	other = now()
	other.Captions = 31
	require.ErrorContains(t, now().Fits(other), "30 captions, there are 31 now")
}

// No byte of a state's two files can change without an error, nor can they be cut.
func TestStateDamaged(t *testing.T) {
	params := param.NewSet()
	params.Set("w", []int{2}, []float32{1, 2})
	opt := optim.New(params, config.Default())
	dir := t.TempDir()
	require.NoError(t, (&state.State{Step: 5, Epoch: 1, Captions: 7, Config: "c", Best: 12.5, Network: &nn.Config{Layers: 2}}).Save(dir, params, opt, nil))
	load := func() error {
		s, err := state.Load(dir)
		if err != nil {
			return err
		}
		return s.Restore(dir, params, opt, nil)
	}
	require.NoError(t, load())
	for _, name := range []string{state.File, state.TensorsFile(5)} {
		path := filepath.Join(dir, name)
		whole, err := os.ReadFile(path)
		require.NoError(t, err)
		unseen := 0
		for i := 0; i < len(whole); i += 3 {
			for _, bit := range []byte{1, 0x20} {
				damaged := append([]byte(nil), whole...)
				damaged[i] ^= bit
				require.NoError(t, os.WriteFile(path, damaged, 0o644))
				if err := load(); err == nil {
					unseen++
					require.Equal(t, []float32{1, 2}, params.Lookup("w").Data)
					require.NotEqual(t, state.File, name, "byte %d", i)
				} else {
					require.ErrorIs(t, err, state.ErrState, "%s: byte %d", name, i)
				}
			}
		}
		// A zip file has fields that nobody reads, such as times; what they say must not matter.
		require.Less(t, unseen, len(whole)/3, name)
		for _, n := range []int{0, 1, len(whole) / 2, len(whole) - 1} {
			require.NoError(t, os.WriteFile(path, whole[:n], 0o644))
			require.ErrorIs(t, load(), state.ErrState, "%s: %d bytes", name, n)
		}
		require.NoError(t, os.WriteFile(path, whole, 0o644))
	}
	require.NoError(t, load())
}
