// Package preprocess makes of a picture the tensor that a model of the CLIP family reads, exactly as the model's own
// library does: the same resize (Pillow's, on 8 bits, with antialias), the same crop to the pixel, the same
// normalization.
//
// A [Config] says what is done. [HuggingFace], [OpenCLIP] and [Immich] read it from the model's own files. From the
// same decoded pixels a tensor equals the library's but for the rounding of the last float32 operation.
//
// Three things differ between libraries: how the long side is rounded, which pixel a centre crop begins at when
// an odd number of them is too many, and whether transparent pictures are made opaque before they are resized or
// after. All drop alpha; none composites.
package preprocess

import "errors"

// ErrConfig is returned for a preprocessing configuration that cannot be followed.
var ErrConfig = errors.New("preprocess: unusable configuration")

// ErrPicture is returned for a picture that cannot be preprocessed: it has no pixels.
var ErrPicture = errors.New("preprocess: unusable picture")
