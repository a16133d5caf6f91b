package training

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/training/encode"
	"github.com/aladin-go/aladin/internal/training/model"
	"github.com/aladin-go/aladin/internal/training/toy"
	"github.com/aladin-go/aladin/internal/training/validate"
)

// TestCalibrate trains a model with a global pair, and validates the bundle that it leaves: the weight found
// on the validation data is in it, so that it needs no other, and the recalls are those of the best validation.
func TestCalibrate(t *testing.T) {
	toy.NeedRuntime(t)
	run := toyRun(t, t.TempDir(), nil)
	run.Model.Net.GlobalPair = 0.3
	run.Model.Net.Alignment = nn.MrCOSw
	best, err := run.Do(t.Context())
	require.NoError(t, err)
	require.Contains(t, validate.GlobalScales, best.GlobalScale)

	m, err := model.Load(filepath.Join(run.Dir, "model"))
	require.NoError(t, err)
	val := validatorOf(t, m, run.Val)
	again, err := val.Run(t.Context(), m.Params, nil, nil)
	require.NoError(t, err)
	require.Equal(t, best.Alignment, again.Alignment)
	require.Equal(t, best.Matching, again.Matching)
	require.Equal(t, float32(1), again.GlobalScale)

	// No other of the scales would have given better recalls.
	var texts []string
	for _, c := range run.Val.Captions {
		texts = append(texts, c.Text)
	}
	for _, scale := range validate.GlobalScales {
		params := validate.WithGlobalScale(m.Params, scale/best.GlobalScale)
		images, err := val.Enc.Images(t.Context(), params, run.Val.Images, nil)
		require.NoError(t, err)
		captions, err := val.Enc.Captions(t.Context(), params, texts, nil)
		require.NoError(t, err)
		scores, err := eval.Hold(t.Context(), &encode.Scores{Session: val.Scores, Ctx: t.Context(), Images: images, Captions: captions}, val.Opts)
		require.NoError(t, err)
		other, err := val.Recall(t.Context(), scores)
		require.NoError(t, err)
		require.LessOrEqual(t, other.RSum, best.Alignment.RSum, "scale %g", scale)
	}
}
