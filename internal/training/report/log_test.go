package report

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/aladin-go/aladin/internal/training/validate"
)

// crc32c is the checksum of RFC 3720, bit by bit: another writing of it than the one under test.
func crc32c(data []byte) uint32 {
	crc := ^uint32(0)
	for _, b := range data {
		crc ^= uint32(b)
		for range 8 {
			low := crc & 1
			crc >>= 1
			if low == 1 {
				crc ^= 0x82f63b78
			}
		}
	}
	return ^crc
}

func masked(data []byte) uint32 {
	c := crc32c(data)
	return ((c >> 15) | (c << 17)) + 0xa282ead8
}

// records takes a TFRecord file apart, checking both sums of every record.
func records(t *testing.T, path string) [][]byte {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var out [][]byte
	for len(data) > 0 {
		require.GreaterOrEqual(t, len(data), 16)
		n := binary.LittleEndian.Uint64(data)
		require.Equal(t, masked(data[:8]), binary.LittleEndian.Uint32(data[8:]), "sum of the length")
		require.LessOrEqual(t, n+16, uint64(len(data)))
		body := data[12 : 12+n]
		require.Equal(t, masked(body), binary.LittleEndian.Uint32(data[12+n:]), "sum of the data")
		out = append(out, body)
		data = data[16+n:]
	}
	return out
}

// message lists the fields of a protobuf message: numbers, bytes and fixed values.
func message(t *testing.T, b []byte) map[protowire.Number][]any {
	out := map[protowire.Number][]any{}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		require.Positive(t, n)
		b = b[n:]
		var v any
		switch typ {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			v, n = protowire.ConsumeFixed32(b)
		case protowire.Fixed64Type:
			v, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			v, n = protowire.ConsumeBytes(b)
		default:
			t.Fatalf("wire type %d", typ)
		}
		require.Positive(t, n)
		out[num] = append(out[num], v)
		b = b[n:]
	}
	return out
}

func TestCRC(t *testing.T) {
	require.Equal(t, uint32(0xe3069283), crc32c([]byte("123456789")), "the check value of CRC-32C")
	require.Equal(t, masked([]byte("123456789")), maskedCRC([]byte("123456789")))
}

// The event files of a run hold the tags of the released code.
func TestTensorBoard(t *testing.T) {
	dir := t.TempDir()
	log, err := OpenLog(dir, false, 0, 0)
	require.NoError(t, err)
	for step := range 6 {
		log.Step(Event{Step: step + 1, Loss: map[string]float64{"total": 2.5, "alignment": 1.5, "distillation": 1}})
	}
	log.Validation(Event{Step: 6, Validation: &validate.Result{RSum: 321.5}})
	require.NoError(t, log.Close())
	files, err := filepath.Glob(filepath.Join(dir, "tensorboard", "events.out.tfevents.*"))
	require.NoError(t, err)
	require.Len(t, files, 1)

	all := records(t, files[0])
	first := message(t, all[0])
	require.Equal(t, "brain.Event:2", string(first[3][0].([]byte)))
	tags := map[string]float64{}
	var steps []uint64
	for _, record := range all[1:] {
		event := message(t, record)
		require.Greater(t, math.Float64frombits(event[1][0].(uint64)), 1.6e9)
		steps = append(steps, event[2][0].(uint64))
		for _, v := range message(t, event[5][0].([]byte))[1] {
			value := message(t, v.([]byte))
			tags[string(value[1][0].([]byte))] = float64(math.Float32frombits(value[2][0].(uint32)))
		}
	}
	require.Equal(t, []uint64{1, 2, 3, 4, 5, 6, 6}, steps)
	for _, tag := range []string{"epoch", "step", "batch_time", "data_time", "lr", "loss", "alignment_loss", "distillation_loss", "rsum",
		"matching/r1", "matching/r5", "matching/r10", "matching/r1i", "matching/r5i", "matching/r10i", "matching/rsum",
		"alignment/r1", "alignment/r5", "alignment/r10", "alignment/r1i", "alignment/r5i", "alignment/r10i", "alignment/medr", "alignment/medri", "alignment/meanr", "Eit", "alignment/rsum"} {
		require.Contains(t, tags, tag)
	}
	require.InDelta(t, 2.5, tags["loss"], 1e-4)
	require.InDelta(t, 321.5, tags["rsum"], 1e-3)
}

// A resumed run tells readers from which step on the files before it do not count.
func TestTensorBoardResumed(t *testing.T) {
	dir := t.TempDir()
	for i, resume := range []bool{false, true} {
		w, err := newEventWriter(dir, resume, 20+i)
		require.NoError(t, err)
		w.scalars(21+i, map[string]float64{"loss": 1})
		require.NoError(t, w.close())
	}
	files, err := filepath.Glob(filepath.Join(dir, "events.out.tfevents.*"))
	require.NoError(t, err)
	require.Len(t, files, 2)
	require.Len(t, records(t, files[0]), 2)
	all := records(t, files[1])
	require.Len(t, all, 3)
	event := message(t, all[1])
	require.Equal(t, uint64(22), event[2][0])
	require.Equal(t, map[protowire.Number][]any{1: {uint64(1)}}, message(t, event[7][0].([]byte)), "status: start")
	require.Equal(t, uint64(22), message(t, all[2])[2][0])
}

// Resuming cuts the log after the step that is resumed, a torn line and a validation that is made again.
func TestLinesUpTo(t *testing.T) {
	const log = `{"step":1}
{"step":2}
{"step":2,"validation":{}}
{"step":3}
{"step":`
	for _, c := range []struct {
		step, validated, want int
	}{{0, 0, 0}, {1, 0, 1}, {2, 2, 3}, {2, 0, 2}, {3, 2, 4}, {9, 2, 4}} {
		got := linesUpTo([]byte(log), c.step, c.validated)
		n := 0
		for _, b := range got {
			if b == '\n' {
				n++
			}
		}
		require.Equal(t, c.want, n, "%+v", c)
	}
	require.Empty(t, linesUpTo([]byte("rubbish\n{\"step\":1}\n"), 9, 9))
}
