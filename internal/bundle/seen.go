package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Large files are hashed once and not whenever a program starts: that takes longer than all the rest of a
// search. A record in the user's cache folder says of a file what it was like when its hash was found to be
// right, and it counts as long as the file is still like that.

const (
	// worthRecord is the size from which a file has a record.
	worthRecord = 4 << 20
	// settled is how old a change of a file must be to be told from a later one by its time.
	settled = 2 * time.Second
)

// recordPath is where the record of a file lies, "" if there is no place for it.
func recordPath(path string) string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	if path, err = filepath.Abs(path); err != nil {
		return ""
	}
	sum := sha256.Sum256([]byte(path))
	return filepath.Join(cache, "aladin", "checked", hex.EncodeToString(sum[:16]))
}

// record is what is remembered of a file with a right hash.
func record(info fs.FileInfo, sum string) string {
	return fmt.Sprintf("%d %d %s %s\n", info.Size(), info.ModTime().UnixNano(), identity(info), sum)
}

// seen tells whether the file was found to have the hash before, and is what it was then.
func seen(path string, info fs.FileInfo, sum string) bool {
	if info.Size() < worthRecord {
		return false
	}
	at := recordPath(path)
	if at == "" {
		return false
	}
	b, err := os.ReadFile(at)
	return err == nil && string(b) == record(info, sum)
}

// remember records that the file has the hash. Where that fails the file is hashed again next time.
func remember(path string, info fs.FileInfo, sum string) {
	if info.Size() < worthRecord || time.Since(info.ModTime()) < settled {
		return
	}
	at := recordPath(path)
	if at == "" || os.MkdirAll(filepath.Dir(at), 0o700) != nil {
		return
	}
	tmp, err := os.CreateTemp(filepath.Dir(at), ".new-*")
	if err != nil {
		return
	}
	_, err = tmp.WriteString(record(info, sum))
	if tmp.Close() != nil || err != nil || os.Rename(tmp.Name(), at) != nil {
		_ = os.Remove(tmp.Name())
	}
}
