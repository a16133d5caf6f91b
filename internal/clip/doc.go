// Package clip runs the text tower of CLIP (Radford et al., "Learning Transferable Visual Models From
// Natural Language Supervision", ICML 2021), whose vectors ALADIN-2.0 reads in place of word embeddings: one
// for a sentence about each object label, and one for each token of a caption.
//
// A [Tower] is an ONNX graph that somebody exported, or one that [Graph] makes of a state dict: ALADIN-2.0's
// checkpoints hold CLIP's own weights. What it must look like:
//
//   - inputs: token ids, int64 or int32 [batch, tokens], and perhaps attention_mask, likewise;
//   - outputs, float32: the sentence's vector [batch, C] (text_embeds, if there are several), and the
//     tokens' states [batch, tokens, C] (token_embeds or last_hidden_state). One of the two is enough: the
//     state of the end token is the sentence's vector, if the graph projects its states as the released
//     code does. Hugging Face's last_hidden_state is not projected; [Tower.Joined] tells.
//
// A Tower is safe for concurrent use. Its session is opened when it is first needed.
package clip

import "errors"

var (
	// ErrTower is returned when a graph is no text tower of CLIP.
	ErrTower = errors.New("clip: unusable text tower")
	// ErrWeights is returned when a state dict holds no text tower of CLIP.
	ErrWeights = errors.New("clip: unusable weights of a text tower")
)
