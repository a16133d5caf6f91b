package calibrate

import (
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/bundle"
)

// foreign are words of what nobody takes photos of.
var foreign = strings.Fields(`
	amortisation appeal arbitration assignment audit balance bankruptcy benchmark bylaw cache cadence calculus clause compiler
	conjunction consensus copyright coroutine covenant creditor currency deadlock debit deduction deficit derivative determinant
	diagnosis dividend doctrine dosage embargo enzyme epistemology equity estoppel excise exponent fiscal franchise genome
	gerund hedge heuristic hypothesis indemnity index inflation injunction integer interest invoice isotope jurisdiction kernel
	latency lemma levy liability licence logarithm mandate matrix merger metabolism middleware molarity mortgage mutex novation
	ordinance overdraft parity parliament patent payroll pension plaintiff polymer pragmatics prefix premium proof protocol quorum
	quotient ratification rebate receipt recursion refund regression remittance resolution scheduler semantics sovereignty statute
	subpoena subsidy syntax tariff tax tenure theorem tort transaction treasury treaty tribunal valuation variance verdict
	voucher waiver warranty yield`)

// Nonsense makes queries that no photo answers, the same for the same seed: words of the model's own thrown together,
// words of other walks of life, words that nobody knows, and mixtures.
func Nonsense(n int, seed uint64, words []string) []string {
	rng := rand.New(rand.NewPCG(seed, 17))
	unknown := func() string {
		b := make([]byte, 4+rng.IntN(6))
		for i := range b {
			b[i] = byte('a' + rng.IntN(26))
		}
		return string(b)
	}
	from := func(list []string) func() string { return func() string { return list[rng.IntN(len(list))] } }
	kinds := []func() string{from(foreign), unknown}
	if len(words) > 0 {
		kinds = append(kinds, from(words))
	}
	kinds = append(kinds, func() string { return kinds[rng.IntN(len(kinds)-1)]() })
	out := make([]string, n)
	for i := range out {
		var query []string
		kind := i % len(kinds)
		least := 1
		if kind > 1 {
			least = 4 // a word of the model's own makes sense
		}
		for range least + rng.IntN(7) {
			query = append(query, kinds[kind]())
		}
		out[i] = strings.Join(query, " ")
	}
	return out
}

// Vocabulary are the words that a model saw, or else those of captions.
func Vocabulary(counts bundle.WordCounts, captions []string) []string {
	words := map[string]bool{}
	for w := range counts {
		words[w] = true
	}
	if len(words) == 0 {
		for _, c := range captions {
			for _, w := range strings.Fields(strings.ToLower(c)) {
				words[strings.Trim(w, ".,;:!?\"'")] = true
			}
		}
	}
	var out []string
	for w := range words {
		if len(w) > 1 {
			out = append(out, w)
		}
	}
	slices.Sort(out)
	return out
}
