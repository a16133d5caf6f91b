package report

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// An eventWriter writes TensorBoard's event files: TFRecord frames (length, masked CRC32C of the length,
// data, masked CRC32C of the data) around Event protobufs (tensorflow/core/util/event.proto).
type eventWriter struct{ f *os.File }

func newEventWriter(dir string, resume bool, step int) (*eventWriter, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if !resume {
		old, _ := filepath.Glob(filepath.Join(dir, "events.out.tfevents.*"))
		for _, f := range old {
			os.Remove(f)
		}
	}
	now := time.Now()
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("events.out.tfevents.%d.aladin.%d", now.Unix(), step)))
	if err != nil {
		return nil, err
	}
	w := &eventWriter{f}
	version := protowire.AppendTag(nil, 3, protowire.BytesType)
	if err = w.event(0, protowire.AppendString(version, "brain.Event:2")); err == nil && resume {
		// A start of a session makes a reader forget the steps from this on, which a killed run may have written.
		start := protowire.AppendTag(nil, 7, protowire.BytesType)
		err = w.event(step+1, protowire.AppendBytes(start, []byte{1 << 3, 1}))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return w, nil
}

// scalars writes one event with the values in the order of their names. Errors of the disk surface at
// close: a log must not end a training.
func (w *eventWriter) scalars(step int, values map[string]float64) {
	names := make([]string, 0, len(values))
	for n := range values {
		names = append(names, n)
	}
	slices.Sort(names)
	var summary []byte
	for _, n := range names {
		v := protowire.AppendTag(nil, 1, protowire.BytesType)
		v = protowire.AppendString(v, n)
		v = protowire.AppendTag(v, 2, protowire.Fixed32Type)
		v = protowire.AppendFixed32(v, math.Float32bits(float32(values[n])))
		summary = protowire.AppendTag(summary, 1, protowire.BytesType)
		summary = protowire.AppendBytes(summary, v)
	}
	event := protowire.AppendTag(nil, 5, protowire.BytesType)
	_ = w.event(step, protowire.AppendBytes(event, summary))
}

// event writes an event of now with what it says; step 0 is left out.
func (w *eventWriter) event(step int, what []byte) error {
	event := protowire.AppendTag(nil, 1, protowire.Fixed64Type)
	event = protowire.AppendFixed64(event, math.Float64bits(float64(time.Now().UnixNano())/1e9))
	if step > 0 {
		event = protowire.AppendTag(event, 2, protowire.VarintType)
		event = protowire.AppendVarint(event, uint64(step))
	}
	return w.record(append(event, what...))
}

func (w *eventWriter) record(data []byte) error {
	frame := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	frame = binary.LittleEndian.AppendUint32(frame, maskedCRC(frame))
	frame = append(frame, data...)
	frame = binary.LittleEndian.AppendUint32(frame, maskedCRC(data))
	_, err := w.f.Write(frame)
	return err
}

func maskedCRC(b []byte) uint32 {
	c := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	return (c>>15 | c<<17) + 0xa282ead8
}

func (w *eventWriter) close() error { return w.f.Close() }
