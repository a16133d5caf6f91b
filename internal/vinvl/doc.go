// Package vinvl reads pictures and captions in the layout that VinVL, ALADIN and ALADIN-2.0 publish
// theirs in, without Python and without ever holding a file in memory: features.tsv of COCO is 50 GB.
//
// # Files of a features folder
//
//	features.tsv       image id <tab> number of boxes <tab> … <tab> base64 of float32[n, F], little-endian
//	features.lineidx   byte offset of each line of features.tsv, one a line
//	imageid2idx.json   {"image id": line number, …}
//	predictions.tsv    image id <tab> JSON of the detector's objects, in any order of lines
//	predictions.lineidx
//	detic.tsv          Detic's detections, for ALADIN-2.0 (see below)
//
// The last six of a region's F numbers are x1/w, y1/h, x2/w, y2/h, height and width. The JSON is either
// {"image_h", "image_w", "objects": [{"class", "rect": [x1,y1,x2,y2], "conf"}, …]} or the bare list
// of objects, in which case a picture of 600 × 800 (h × w) is assumed. The .lineidx files and imageid2idx.json
// are built in memory where they are absent, at the price of reading the file once.
//
// # Detic's detections
//
// ALADIN-2.0 keeps them in a Python shelve. The open format read here is a TSV file, one line a picture:
//
//	image id <tab> JSON <tab> base64 of float32[n, 1024], little-endian
//
// with the JSON of predictions.tsv (both forms) and a row of features for each of its objects, without
// box numbers: they follow from rect, image_w and image_h. In Python, from a shelve s:
//
//	for key in s:
//	    row = s[key]
//	    feats = numpy.array([o.pop("features") for o in row["objects"]], "<f4")
//	    text = json.dumps(row, default=lambda x: x.tolist())
//	    print(key, text, base64.b64encode(feats.tobytes()).decode(), sep="\t")
//
// # Bad rows
//
// Whatever is wrong with a row is a [RowError], which names file and line. It is fatal unless
// [Options.OnBad] lets it pass; then the picture is left out, and the caller has seen why.
//
// # Concurrency
//
// A [Dataset] is safe for concurrent use. What it returns belongs to the caller.
package vinvl
