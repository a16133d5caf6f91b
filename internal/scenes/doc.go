// Package scenes makes captioned pictures to learn and measure on: small rendered still lifes
// with five captions each, the true box of every object, and for every noun of every caption the
// objects it means. They come from a seed alone, so a demonstration needs no download and a
// measurement can be repeated anywhere: the same seed gives the same pixels and the same words on
// every 64-bit machine and with any number of workers.
//
// # What a scene shows
//
// Two to five objects (a quarter of the scenes have two, 35 % three, 25 % four, 15 % five) stand on one
// of seven floors; in six of ten scenes there is a wall or a sky behind them, otherwise the view is
// from above and the floor fills the picture. An object has
//
//   - one of 12 shapes: ball, cube, cylinder, cone, pyramid, star, heart, ring, mug, bottle, moon, cross;
//   - one of 11 colours: red, orange, yellow, green, blue, purple, pink, brown, black, white, turquoise;
//   - one of 5 materials: matte, shiny, striped, dotted, checkered (patterns in white or black; white
//     things are never patterned);
//   - one of 3 sizes: about 20, 29 or 40 % of the picture's width.
//
// Objects of a scene differ in shape or colour, except for groups of two or three alike, which
// captions call "two green cubes". About a fifth of the objects after the first repeat its shape in
// another colour, so that a shape alone does not tell. An object does not take a colour that its
// surroundings would swallow (green on grass). Objects overlap in about half of the scenes; the
// one that stands lower in the picture is nearer and hides the other, of which at least a third
// stays visible wherever a placement allows it.
//
// Floors and walls are textures in perspective; light comes from above on one side, with shading,
// highlights, soft shadows, uneven brightness, a tint and sensor noise.
//
// # What captions say
//
// Captions follow the habits of people: some name two objects and how they stand to each other
// (left of, right of, above, below, in front of, behind, next to, between, partly hidden by,
// bigger than), some list things, some tell where in the picture one is, some only count. They vary
// in words, grammar, length, capitals and full stops, and leave most attributes out.
//
// Each caption keeps its meaning as a [Form], and is true of its scene: relations are judged from
// the centres of the visible boxes with a margin, and nothing is said of an object of which more
// than 40 % is hidden. "A red ball" means at least one, "two red balls" exactly two. Many captions
// fit several scenes of a set; [UniqueShare] tells which.
//
// # Files
//
// [Generator.WriteDir] leaves a folder of PNG pictures and three tables, UTF-8, separated by tabs:
//
//	captions.tsv  file, number of the caption (0…4), caption
//	boxes.tsv     file, object, x1, y1, x2, y2 (0…1), visible share, shape, colour, material, size
//	mentions.tsv  file, number of the caption, first byte, byte after the last, objects (with commas)
//
// captions.tsv has no heading line, as the commands' --captions expects; the others have one.
package scenes
