// Package picture reads photos: it tells their format by their first bytes, decodes them within bounds on
// time and memory, turns them upright, resizes any part of them and makes thumbnails. It is the only
// reader of photos in the module.
//
// [Open] reads no more than a header; the [File] knows the picture's size and what decoding it will take.
// [File.Decode] gives a [Picture], and [Picture.Sample] resizes any rectangle of it (with fractional edges,
// mirrored if asked) to float planes. JPEG's luma and chroma planes are resized separately and combined
// at the small size: resizing is linear, so the order changes only rounding, chroma is interpolated
// rather than repeated, and most of the work is saved. Large pictures are first shrunk by whole factors
// with a box filter, leaving at least a factor of three to the real filter.
//
// # Bounds
//
// Sizes, scans and passes are counted before any memory is taken for pixels; see [Options]. All decodes of
// a process share one budget of memory, counted in bytes: see [Reserve]. Decoding ends when its context
// does.
//
// Pictures are upright whatever their EXIF orientation says, opaque (transparent pixels lie on white) and
// have 8 bits a channel. Colour profiles are not applied.
package picture
