package container

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExplainLock(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOLCK, syscall.EOPNOTSUPP, syscall.ENOSYS, syscall.EINVAL, syscall.ENODEV} {
		err := explainLock("photos.aladin.lock", errno)
		require.ErrorIs(t, err, errno)
		require.ErrorContains(t, err, "photos.aladin.lock")
		require.ErrorContains(t, err, "--no-lock")
	}
	err := explainLock("x.lock", &os.PathError{Op: "open", Path: "x.lock", Err: syscall.EACCES})
	require.ErrorIs(t, err, os.ErrPermission)
	require.ErrorContains(t, err, "permissions of the index")
	require.NotContains(t, explainLock("x.lock", syscall.EIO).Error(), "--no-lock")
}
