package eval

import (
	"bufio"
	"context"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/npy"
	"github.com/aladin-go/aladin/internal/shareddata"
)

// The scores that the original code computed must give the figures that the original code computed,
// to the last digit.
func TestOriginalFigures(t *testing.T) {
	dir := shareddata.Dir(t, "aladin-tiny")
	z, err := npy.OpenZ(dir + "/expected.npz")
	require.NoError(t, err)
	defer z.Close()
	read := func(name string) *npy.Array {
		a, err := z.Read(name)
		require.NoError(t, err, name)
		return a
	}
	matrix := func(name string) *Matrix {
		a := read(name)
		v, err := a.Float32s()
		require.NoError(t, err)
		m, err := NewMatrix(a.Shape[0], a.Shape[1], v)
		require.NoError(t, err)
		return m
	}
	owner := make([]int, 60)
	for c := range owner {
		owner[c] = c / 5
	}
	rel, err := Owners(12, owner)
	require.NoError(t, err)

	keys, err := read("inputs/img_keys").Int64s()
	require.NoError(t, err)
	all := make([]int, 12)
	for i := range all {
		all[i] = i
	}
	listed := rowsOf(t, dir+"/coco_ir/test_img_keys_1k.tsv", keys)

	found := 0
	check := func(scores *Matrix, list []int, prefix string) {
		split, err := Only(12, list)
		require.NoError(t, err)
		o, err := RankSplit(context.Background(), scores, rel, owner, split, nil)
		require.NoError(t, err)
		r := o.Retrieval()
		floats := func(name string) []float64 {
			v, err := read(prefix + "/" + name).Float64s()
			require.NoError(t, err)
			return v
		}
		figures := func(r Recall) []float64 { return []float64{r.R1, r.R5, r.R10, r.MedR, r.MeanR} }
		assert.Equal(t, floats("i2t"), figures(r.I2T), prefix)
		assert.Equal(t, floats("t2i"), figures(r.T2I), prefix)
		assert.Equal(t, floats("rsum")[0], r.RSum, prefix)
		var i2t, t2i []float64 // in the order of the gallery's list
		for _, i := range list {
			i2t = append(i2t, float64(o.I2T[i]))
			for _, c := range rel.Captions(i) {
				t2i = append(t2i, float64(o.T2I[c]))
			}
		}
		assert.Equal(t, floats("i2t_ranks"), i2t, prefix)
		assert.Equal(t, floats("t2i_ranks"), t2i, prefix)
		found++
	}
	check(matrix("scores/matching"), all, "metrics/matching")
	check(matrix("scores/matching"), listed, "metrics_1k/matching")
	check(matrix("scores_eval71/MrSw"), listed, "metrics_1k/alignment/MrSw")
	for _, name := range z.Names() {
		if mode, ok := strings.CutPrefix(name, "scores_eval71/"); ok {
			check(matrix(name), all, "metrics/alignment/"+mode)
		}
	}
	assert.Equal(t, 10, found)
}

func rowsOf(t *testing.T, file string, keys []int64) []int {
	row := map[int64]int{}
	for r, k := range keys {
		row[k] = r
	}
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	var rows []int
	for s := bufio.NewScanner(f); s.Scan(); {
		k, err := strconv.ParseInt(strings.TrimSpace(s.Text()), 10, 64)
		require.NoError(t, err)
		r, ok := row[k]
		require.True(t, ok, "key %d", k)
		rows = append(rows, r)
	}
	return rows
}
