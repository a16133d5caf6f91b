package serve

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/scenes"
)

// axe-core, as scripts/axe puts it into the user's cache folder.
const (
	axeFile = "axe-core-4.10.2.min.js"
	axeSum  = "b511cd9dec01c76f4b2ad1723b66b6db37d4c2eb4ed199076e1829d9ee7b75e3"
)

// axe is the source of axe-core, or "" where it is not to be had.
func axe(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	source, err := os.ReadFile(filepath.Join(cache, "aladin", axeFile))
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(source)
	require.Equal(t, axeSum, hex.EncodeToString(sum[:]), "delete %s and run scripts/axe", axeFile)
	return string(source)
}

// barriers is what axe-core says of the page as it is now.
func (b *browser) barriers(axe string) []string {
	b.t.Helper()
	if !eval[bool](b, `"axe" in window`) {
		_, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](axe+"\n;true"))
		require.NoError(b.t, err)
	}
	eval[bool](b, `(window.found = null, axe.run(document, {resultTypes: ["violations"]}).then(
		(r) => window.found = r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.target.join(" ") + " " + (n.failureSummary ?? ""))),
		(e) => window.found = [String(e)]), true)`)
	b.wait(`window.found`)
	return eval[[]string](b, `window.found`)
}

// sticksOut lists visible elements that reach beyond the page's width.
const sticksOut = `[...document.querySelectorAll("main *, header *, dialog[open] *")].filter(e => {
	const r = e.getBoundingClientRect();
	return r.width > 1 && (r.right > innerWidth + 1 || r.left < -1) && !e.closest(".quiet, .busy, .sprite") && getComputedStyle(e).visibility !== "hidden";
}).map(e => e.tagName + "." + e.className)`

// runsOver lists texts that are wider than their element, which would run into what is beside it.
const runsOver = `[...document.querySelectorAll(".hit, .hit .file, .hit .sentence, .notice p, .weigh label span, .examples button, h1, h2")].filter(e =>
	e.offsetParent && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== "inline").map(e => e.tagName + "." + e.className)`

// covered counts names of regions that lie over each other or beyond their photo.
const covered = `[...document.querySelectorAll("#hits .frame")].reduce((n, f) => {
	const of = f.getBoundingClientRect();
	const names = [...f.querySelectorAll(".box-name:not([hidden])")].map(e => e.getBoundingClientRect());
	names.forEach((a, i) => {
		if (a.top < of.top - 1 || a.bottom > of.bottom + 1 || a.left < of.left - 1 || a.right > of.right + 1) n++;
		names.slice(i + 1).forEach(b => { if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1) n++; });
	});
	return n; }, 0)`

// At every width and in both colours nothing is cut, covered or out of reach.
func TestPageViews(t *testing.T) {
	chrome := startBrowser(t)
	w := newWorld(t, 9, 160, 1)
	s := w.server(t, Options{})
	source := axe(t)
	if source == "" {
		t.Log("axe-core is not in the cache folder (run scripts/axe): nothing looks for barriers")
	}
	crowd := crowded(w)
	long := strings.Repeat("longest", 12)
	for _, width := range []int{1280, 768, 390} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprint(width, " ", scheme), func(t *testing.T) {
				look := func(b *browser, what string) {
					assert.LessOrEqual(t, eval[int](b, `document.documentElement.scrollWidth`), width, what)
					assert.Empty(t, eval[[]string](b, sticksOut), what)
					assert.Empty(t, eval[[]string](b, runsOver), what)
					if source != "" {
						assert.Empty(t, b.barriers(source), what)
					}
					b.shot(fmt.Sprintf("%s-%d-%s", what, width, scheme))
				}
				b := openSettled(t, chrome, s, "/", width, 860, command(cdppage.SetBypassCSP, cdppage.SetBypassCSPParams{Enabled: true}),
					command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
						{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}}))
				assert.True(t, eval[bool](b, `(() => { const q = document.getElementById("q"), c = document.createElement("canvas").getContext("2d"), s = getComputedStyle(q);
					c.font = s.fontSize + " " + s.fontFamily;
					return c.measureText(q.placeholder).width <= q.clientWidth - parseFloat(s.paddingLeft) - parseFloat(s.paddingRight); })()`), "the placeholder is read to its end")
				look(b, "start")

				b.typeText(crowd)
				b.run(chromedp.KeyEvent(kb.ArrowDown))
				for range 6 {
					b.wait(`document.activeElement.classList.contains("open") && document.activeElement.querySelector(".box")`)
					assert.Zero(t, eval[int](b, covered), "names of regions")
					b.run(chromedp.KeyEvent(kb.ArrowRight))
				}
				look(b, "hits")
				b.run(chromedp.KeyEvent("\r"))
				b.wait(`document.getElementById("detail").open`)
				look(b, "one")
				b.run(chromedp.KeyEvent(kb.Escape))
				b.wait(`!document.getElementById("detail").open`)

				// By script: a click by place may miss while the page moves under the dialog that closes.
				b.wait(`(document.getElementById("clear").click(), document.getElementById("q").value === "")`)
				b.settled()
				b.pasteText("dgo " + long + " without " + long)
				b.run(chromedp.Click(chromedp.CSS("#words-toggle")), chromedp.Click(chromedp.CSS("#tune-toggle")), chromedp.Click(chromedp.CSS("#tags-toggle")), chromedp.Click(chromedp.CSS("#details")))
				b.wait(`!document.getElementById("notice").hidden`)
				look(b, "long words")
				b.clean()
			})
		}
	}
}

// crowded is the caption that names most of a scene.
func crowded(w *world) string {
	best, most := "", 0
	for _, s := range w.scenes {
		if len(s.Objects) <= most || s.Wall == scenes.NoWall {
			continue
		}
		most = len(s.Objects)
		var names []string
		for i := range s.Objects {
			names = append(names, s.Objects[i].Colour.String()+" "+s.Objects[i].Noun())
		}
		best = strings.Join(names, " ") + " " + s.Floor.String()
	}
	return best
}

// quoted is a string as JavaScript reads it.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}
