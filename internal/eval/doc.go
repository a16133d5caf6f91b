// Package eval computes the figures by which image–text retrieval is published: recalls and ranks in
// both directions, mAP@R and R-Precision, nDCG, rank correlation with human judgments, and how sure
// one may be of each of them.
//
// # The model
//
// N images and M captions; every caption belongs to one image (its owner), an image may have any
// number of captions. A [Scores] gives the N×M matrix of scores, higher is better, a block of rows at
// a time, so that it need not be held. A [Relation] says which pairs are right: by default a caption
// with its owner. "i2t" are the queries by image (which captions?), "t2i" those by caption.
//
// # Order and ties
//
// The ranking of a query is by score, downwards; equal scores stand in the order of their index, low
// first. The rank of a query is the 0-based place of its first right answer in that ranking. Equal
// scores are thus neither forgiven (a model that gives every pair the same score is at chance) nor
// dependent on the sorting algorithm, and [Ranks] counts the queries whose rank a tie with a wrong
// answer could move. [Options].Optimistic decides them in the model's favour. NaN is an error.
//
// # Figures
//
// With r the ranks of all queries of one direction:
//
//	R@k    100 · share of queries with r < k
//	medR   floor(median r) + 1
//	meanR  mean r + 1
//	rsum   R@1 + R@5 + R@10 of i2t + the same of t2i
//
// as Faghri et al. (VSE++, BMVC 2018) and the code of ALADIN (Messina et al., CBMI 2022) have them. An
// image with five captions is right with any of them; its other captions ("siblings") never count as
// errors before the first, because the first right answer ends the count.
//
// With R the number of right answers of a query, rel(i) ∈ {0,1} whether place i (1-based) is right and
// P(i) the share of right answers among the first i places:
//
//	R-Precision  1/R Σ_{i=1…R} rel(i)
//	mAP@R        1/R Σ_{i=1…R} P(i)·rel(i)
//
// (Musgrave et al., ECCV 2020; used for captions by Chun et al., ECCV Caption, ECCV 2022.)
//
// With rel a graded relevance in [0,1]:
//
//	DCG@p   Σ_{i=1…p} (2^rel(i) − 1) / log2(i + 1)
//	nDCG@p  DCG@p / the DCG@p of the best possible ranking
//
// (Järvelin and Kekäläinen, TOIS 2002; with p = 25 and captions' ROUGE-L as relevance by Messina et
// al., TERN, ICPR 2020.) The relevance of an image for a caption is [Rouge]: ROUGE-L (Lin, 2004) with β = 1.2
// of the caption against the captions of the image, precision and recall each the best over these; or
// any matrix computed elsewhere. Queries without any relevant answer take no part.
//
// Against graded human judgments: [Spearman]'s ρ (Pearson's r of average ranks) and [Kendall]'s τ-b.
//
// # Uncertainty
//
// Captions of one image are not independent, so every resampling is by image. [Bootstrap] draws images with
// replacement, together with all their queries, and reports the 2.5th and 97.5th percentile
// of each figure (the gallery is held fixed: the interval speaks of the queries). [Compare] sets two
// results on the same data side by side: the interval of the difference from the same draws for both,
// and a p-value from swapping the two systems image by image at random (a paired randomisation test).
//
// # Determinism
//
// All functions give the same digits whatever the number of threads: what runs in parallel is merged
// by integer sums or by a total order, each resample has its own random stream, and sums of floats are
// taken in index order. The types are safe for concurrent reading once made.
package eval
