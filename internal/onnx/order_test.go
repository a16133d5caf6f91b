package onnx_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/onnx"
)

// chain is a graph of n steps, each with an output beside it, declared in the order of the steps.
func chain(t *testing.T, n int) *onnx.Model {
	b := onnx.NewBuilder()
	x := b.Input("x", onnx.Float, onnx.Of("B", 3))
	for i := range n {
		x = b.Exp(x)
		b.Output(fmt.Sprintf("side%d", i), b.Neg(x))
	}
	b.Output("end", b.ReduceSum(x, false, 0, 1))
	m, err := b.Model("chain")
	require.NoError(t, err)
	return m
}

// ONNX Runtime walks back from the last node that nobody reads: that must be what is ready first.
func TestEarlyOutputs(t *testing.T) {
	m := chain(t, 4)
	count := len(m.Graph.Nodes)
	m.EarlyOutputs()
	require.Len(t, m.Graph.Nodes, count)
	made := map[string]bool{"x": true}
	for _, c := range m.Graph.Initializers {
		made[c.Name] = true
	}
	var outputs []string
	for i, n := range m.Graph.Nodes {
		for _, in := range n.Inputs {
			require.True(t, made[in], "node %d reads %s before it is there", i, in)
		}
		for _, out := range n.Outputs {
			made[out] = true
			if n.OpType == "Identity" {
				outputs = append(outputs, out)
				require.Equal(t, n.Inputs[0], m.Graph.Nodes[i-1].Outputs[0], "what an output renames stands before it")
			}
		}
	}
	require.Equal(t, []string{"side3", "end", "side2", "side1", "side0"}, outputs)
}

// A value that something reads beside the output stays where it was.
func TestEarlyOutputsKeepsWhatIsRead(t *testing.T) {
	b := onnx.NewBuilder()
	x := b.Input("x", onnx.Float, onnx.Of(2))
	y := b.Exp(x)
	b.Output("y", y)
	b.Output("z", b.Neg(y))
	m, err := b.Model("read")
	require.NoError(t, err)
	m.EarlyOutputs()
	var kinds []string
	for _, n := range m.Graph.Nodes {
		kinds = append(kinds, n.OpType+" "+n.Outputs[0])
	}
	require.Equal(t, []string{"Exp Exp_1", "Neg Neg_1", "Identity z", "Identity y"}, kinds)
}
