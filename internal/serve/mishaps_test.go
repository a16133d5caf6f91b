package serve

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// drop drops a file on the page.
func (b *browser) drop(name, kind string) {
	b.t.Helper()
	eval[bool](b, fmt.Sprintf(`(() => { const dt = new DataTransfer(); dt.items.add(new File(["nothing of the kind"], %s, {type: %s}));
		return document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: dt, bubbles: true, cancelable: true})) || true; })()`, quoted(name), quoted(kind)))
}

func (b *browser) text(id string) string {
	b.t.Helper()
	return eval[string](b, `document.getElementById(`+quoted(id)+`).innerText`)
}

// What a page says and does when things are not as they should be, and what people do with it for longer.
func TestPageMishaps(t *testing.T) {
	chrome := startBrowser(t)
	w := newWorld(t, 40, 96, 0)
	s := w.server(t, Options{})
	_, object := findObject(w)
	colour, noun := object.Colour.String(), object.Noun()
	query := func(q string) string {
		return fmt.Sprintf(`new URLSearchParams(location.search).get("q") === %s`, quoted(q))
	}

	t.Run("files that are no photos", func(t *testing.T) {
		b := openSettled(t, chrome, s, "/", 1280, 860)
		b.drop("notes.txt", "text/plain")
		b.wait(`!document.getElementById("notice").hidden`)
		assert.Equal(t, "That is no photo.", b.text("notice"))
		b.drop("IMG_0001.HEIC", "")
		b.wait(`document.querySelectorAll("#parts .part").length === 1 && document.getElementById("notice").innerText.includes("Try again")`)
		assert.NotContains(t, eval[string](b, `document.body.innerText`), "undefined")
	})

	t.Run("an empty index", func(t *testing.T) {
		none := newWorld(t, 0, 96, 0)
		b := openSettled(t, chrome, none.server(t, Options{}), "/", 390, 860)
		b.wait(`!document.getElementById("empty").hidden`)
		assert.Contains(t, b.text("empty"), "The index is empty")
		b.typeText("a " + noun)
		assert.NotContains(t, eval[string](b, `document.body.innerText`), "undefined")
		b.clean()
	})

	t.Run("no folder of photos", func(t *testing.T) {
		blind, err := New(t.Context(), w.collection(t), w.path, &Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, blind.Close()) })
		b := openSettled(t, chrome, blind, "/?q="+noun, 1280, 860)
		assert.Contains(t, b.text("photoless"), "--images")
		assert.Contains(t, eval[string](b, `document.querySelector("#hits .frame").innerText`), ".png", "a tile without a photo has a name")
		b.clean()
	})

	t.Run("a sign alone", func(t *testing.T) {
		b := openSettled(t, chrome, s, "/", 1280, 860)
		b.run(chromedp.Focus(chromedp.CSS("#q")), chromedp.KeyEvent("-"))
		b.wait(query("-"))
		b.settled()
		assert.True(t, eval[bool](b, `document.getElementById("notice").hidden`), "somebody is typing")
		assert.Equal(t, "From this collection", b.text("results-title"))
		b.run(chromedp.KeyEvent(noun))
		b.wait(query("-" + noun))
		b.settled()
		assert.True(t, eval[bool](b, `document.getElementById("notice").hidden`))
	})

	t.Run("a typing error", func(t *testing.T) {
		b := openSettled(t, chrome, s, "/", 1280, 860)
		b.typeText("é dgo " + noun)
		b.wait(`!document.getElementById("notice").hidden`)
		assert.Contains(t, b.text("notice"), "dgo")
		b.run(chromedp.Click(chromedp.CSS("#notice button")))
		b.wait(query("é dog " + noun))
		b.settled()
		assert.True(t, eval[bool](b, `document.getElementById("notice").hidden`))
		assert.Equal(t, "é dog "+noun, eval[string](b, `document.getElementById("q").value`))
		b.clean()
	})

	t.Run("more", func(t *testing.T) {
		b := openSettled(t, chrome, s, "/?q="+noun+"&k=10", 1280, 860)
		for _, n := range []int{20, 30, 40} {
			b.wait(fmt.Sprintf(`(scrollTo(0, document.body.scrollHeight), document.querySelectorAll("#hits .hit").length >= %d)`, n))
		}
		b.wait(`document.getElementById("more").hidden`)
		assert.Equal(t, "40 photos of 40", b.text("results-title"))
		ids := eval[[]string](b, `[...document.querySelectorAll("#hits .open")].map(e => e.getAttribute("aria-label"))`)
		seen := map[string]bool{}
		for i, id := range ids {
			rank, name, _ := strings.Cut(id, ". ")
			assert.Equal(t, fmt.Sprint(i+1), rank)
			assert.False(t, seen[name], "%s is shown twice", name)
			seen[name] = true
		}
		b.run(chromedp.Focus(chromedp.CSS("#hits li:nth-child(39) .open")), chromedp.KeyEvent("\r"))
		b.wait(`document.getElementById("detail").open`)
		assert.Equal(t, strings.TrimPrefix(ids[38], "39. "), b.text("detail-title"), "later hits open too")
		b.clean()
	})

	t.Run("back", func(t *testing.T) {
		b := openSettled(t, chrome, s, "/", 1280, 860)
		b.typeText(colour)
		eval[bool](b, `(document.activeElement.blur(), true)`) // somebody looks at the results
		b.run(chromedp.Focus(chromedp.CSS("#q")), chromedp.KeyEvent(kb.End+" "+noun))
		b.wait(query(colour + " " + noun))
		b.settled()
		b.run(chromedp.NavigateBack())
		b.wait(query(colour))
		b.settled()
		assert.Equal(t, colour, eval[string](b, `document.getElementById("q").value`))
		b.run(chromedp.NavigateBack())
		b.wait(`location.search === ""`)
		b.clean()
	})

	t.Run("similarities of any size", func(t *testing.T) {
		b := openSettled(t, chrome, s, "/", 1280, 860)
		eval[bool](b, `(import("/page/regions.js").then(({ strengths }) => {
			const hit = (...of) => ({ words: of.map((similarity) => ({ similarity, weight: 1, region: 0, box: [0, 0, 1, 1] })) });
			const hits = [hit(0.06, 0.01), hit(0.05)];
			hits.push({ words: [{ similarity: 0.06, weight: 0.1, part: 0, region: 0, box: [0, 0, 1, 1] }, { similarity: 0.06, weight: 1, part: 0, region: 0, box: [0, 0, 1, 1] }] });
			strengths(hits);
			const found = () => hits.flatMap((h) => h.words.map((w) => w.weak ? 0 : w.strength));
			window.strengths = found();
			strengths(hits, true);
			window.irrelevant = found();
		}), true)`)
		b.wait(`window.strengths`)
		got := eval[[]float64](b, `window.strengths`)
		assert.InDelta(t, 1, got[0], 1e-6, "the best word of the page has the full tint")
		assert.Zero(t, got[1])
		assert.Greater(t, got[2], 0.5)
		assert.Equal(t, []float64{0, 1}, got[3:], "a word that hardly counts has none")
		pale := eval[[]float64](b, `window.irrelevant`)
		assert.Less(t, pale[0], 0.2, "where nothing fits, the best word is pale")
		assert.Greater(t, pale[0], 0.0)
	})

	t.Run("details", func(t *testing.T) {
		b := openSettled(t, chrome, s, "/?q="+noun, 1280, 860)
		shown := `[...document.querySelectorAll(".technical")].filter(e => e.offsetParent).length`
		assert.Zero(t, eval[int](b, shown), "plain words first")
		assert.NotContains(t, eval[string](b, `document.body.innerText`), " ms")
		b.run(chromedp.Click(chromedp.CSS("#details")))
		b.wait(shown + " > 10")
		assert.Contains(t, eval[string](b, `document.body.innerText`), " ms")
		b.run(chromedp.Reload())
		b.settled()
		b.wait(shown + " > 10")
		assert.Equal(t, "true", eval[string](b, `document.getElementById("details").getAttribute("aria-pressed")`))
		b.run(chromedp.Click(chromedp.CSS("#details")))
		b.clean()
	})
}
