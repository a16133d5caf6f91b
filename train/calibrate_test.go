package train

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/nn"
)

// TestCalibrate trains a model with a global pair, and validates the bundle that it leaves: the weight found
// on the validation data is in it, so that it needs no other, and the recalls are those of the best validation.
func TestCalibrate(t *testing.T) {
	needRuntime(t)
	run := toyRun(t, t.TempDir(), nil)
	run.Model.Net.GlobalPair = 0.3
	run.Model.Net.Alignment = nn.MrCOSw
	best, err := run.Do(t.Context())
	require.NoError(t, err)
	require.Contains(t, globalScales, best.GlobalScale)

	m, err := LoadModel(filepath.Join(run.Dir, "model"))
	require.NoError(t, err)
	val := validatorOf(t, m, run.Val)
	again, err := val.run(t.Context(), m.Params, nil, nil)
	require.NoError(t, err)
	require.Equal(t, best.Alignment, again.Alignment)
	require.Equal(t, best.Matching, again.Matching)
	require.Equal(t, float32(1), again.GlobalScale)

	// No other of the scales would have given better recalls.
	var texts []string
	for _, c := range run.Val.Captions {
		texts = append(texts, c.Text)
	}
	for _, scale := range globalScales {
		params := m.Params.withGlobalScale(scale / best.GlobalScale)
		images, err := val.enc.images(t.Context(), params, run.Val.Images, nil)
		require.NoError(t, err)
		captions, err := val.enc.captions(t.Context(), params, texts, nil)
		require.NoError(t, err)
		scores, err := eval.Hold(t.Context(), &alignment{scores: val.scores, ctx: t.Context(), images: images, captions: captions}, val.opts)
		require.NoError(t, err)
		other, err := val.recall(t.Context(), scores)
		require.NoError(t, err)
		require.LessOrEqual(t, other.RSum, best.Alignment.RSum, "scale %g", scale)
	}
}
