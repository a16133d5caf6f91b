package eval

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRelation(t *testing.T) {
	r, err := Owners(3, []int{2, 0, 2}) // image 1 has no caption
	require.NoError(t, err)
	assert.Equal(t, []int32{0, 2}, r.Captions(2))
	assert.Empty(t, r.Captions(1))
	assert.Equal(t, []int32{2}, r.Images(0))
	assert.True(t, r.Right(1, 0))
	assert.False(t, r.Right(1, 2))
	assert.Equal(t, 2, r.MostRight())

	more, err := Pairs(3, 3, [][2]int{{1, 1}, {1, 1}})
	require.NoError(t, err)
	both, err := r.With(more)
	require.NoError(t, err)
	assert.Equal(t, []int32{0, 1}, both.Images(1))

	sub, err := both.Select([]int{1, 2}, []int{2, 1})
	require.NoError(t, err)
	assert.Equal(t, []int32{1}, sub.Images(0))
	assert.Equal(t, []int32{0}, sub.Images(1))
}

func TestRelationErrors(t *testing.T) {
	_, err := Owners(2, []int{0, 2})
	require.ErrorIs(t, err, ErrInput)
	assert.ErrorContains(t, err, "caption 1 belongs to image 2, but there are 2 images")
	_, err = Owners(2, []int{-1})
	require.ErrorIs(t, err, ErrInput)
	_, err = Pairs(2, 2, [][2]int{{2, 0}})
	require.ErrorIs(t, err, ErrInput)
	a, _ := Owners(2, []int{0})
	b, _ := Owners(3, []int{0})
	_, err = a.With(b)
	require.ErrorIs(t, err, ErrInput)
}

func TestDuplicates(t *testing.T) {
	texts := []string{
		"A dog runs.", "a dog, running", // image 0
		"a dog runs", "two cats", // image 1, the first as of image 0
		"two cats", "Two cats!", // image 2: as of image 1, and twice
		"?", "!", // image 3, the same picture as 2; no words, so like no other
	}
	owner := []int{0, 0, 1, 1, 2, 2, 3, 3}
	d, err := FindDuplicates(texts, owner, []string{"a", "b", "c", "c"}, 4)
	require.NoError(t, err)
	assert.Equal(t, 2, d.Images)
	assert.Equal(t, 5, d.Captions)
	assert.Equal(t, 2, d.Siblings)
	for c, want := range [][]int32{{0, 1}, {0}, {0, 1}, {1, 2, 3}, {1, 2, 3}, {1, 2, 3}, {2, 3}, {2, 3}} {
		assert.Equal(t, want, d.Relation.Images(c), "caption %d", c)
	}
	assert.Equal(t, []int32{3, 4, 5, 6, 7}, d.Relation.Captions(3))

	none, err := FindDuplicates(nil, owner, nil, 4)
	require.NoError(t, err)
	owners, _ := Owners(4, owner)
	assert.Equal(t, owners, none.Relation)
	assert.Zero(t, none.Captions+none.Images+none.Siblings)

	_, err = FindDuplicates(texts, owner, []string{"a"}, 4)
	require.ErrorIs(t, err, ErrInput)
	_, err = FindDuplicates(nil, []int{4}, nil, 4)
	require.ErrorIs(t, err, ErrInput)
}
