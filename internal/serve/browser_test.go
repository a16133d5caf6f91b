package serve

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// screenshots names the environment variable for a folder to keep pictures of the
// page in.
const screenshots = "ALADIN_SCREENSHOTS"

// patience ends what will not come to an end on the busiest machine.
const patience = 5 * time.Minute

type step = chromedp.Action[chromedp.Void]

// command is a step that sends a command to the tab.
func command[P, R any](c cdp.Command[P, R], params P) step {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

// browser is a page of a real Chromium.
type browser struct {
	t   *testing.T
	ctx context.Context
	srv *httptest.Server

	mu       sync.Mutex
	trouble  []string // errors in the console, requests to elsewhere
	requests []string
}

// startBrowser skips the test where there is no Chromium. Set CHROMIUM to name one.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes seconds to start")
	}
	path := os.Getenv("CHROMIUM")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path != "" {
			break
		}
		path, _ = exec.LookPath(name)
	}
	if path == "" {
		t.Skip("no Chromium: install the package chromium, or name a browser with CHROMIUM")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("force-color-profile", "srgb"), chromedp.Flag("disable-gpu", true))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(ctx))
	return ctx
}

// openPage opens the server's page in a tab of its own.
func openPage(t *testing.T, parent context.Context, s *Server, path string, width, height int, first ...step) *browser {
	t.Helper()
	return openAt(t, parent, listen(t, s), path, width, height, first...)
}

// openAt opens a page of any server.
func openAt(t *testing.T, parent context.Context, srv *httptest.Server, path string, width, height int, first ...step) *browser {
	t.Helper()
	b := &browser{t: t, srv: srv}
	ctx, cancel := chromedp.NewContext(parent, chromedp.WithListener(b.listen))
	t.Cleanup(cancel)
	b.ctx, cancel = context.WithTimeout(ctx, patience)
	t.Cleanup(cancel)
	b.run(append([]step{command(network.Enable, network.EnableParams{}), command(log.Enable, cdp.Empty{}),
		chromedp.EmulateViewport(int64(width), int64(height))}, first...)...)
	b.run(chromedp.Navigate(b.srv.URL + path))
	return b
}

// listen keeps what a page must not do: errors, and requests to anywhere else.
func (b *browser) listen(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := ev.(type) {
	case *runtime.EventExceptionThrown:
		b.trouble = append(b.trouble, fmt.Sprintf("%s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" {
			b.trouble = append(b.trouble, e.Entry.Text+" "+e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		u := e.Request.URL
		b.requests = append(b.requests, e.Request.Method+" "+strings.TrimPrefix(u, b.srv.URL))
		if !strings.HasPrefix(u, b.srv.URL+"/") && !strings.HasPrefix(u, "blob:") {
			b.trouble = append(b.trouble, "request to "+u)
		}
	}
}

// sent counts requests.
func (b *browser) sent(prefix string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, r := range b.requests {
		if strings.HasPrefix(r, prefix) {
			n++
		}
	}
	return n
}

// openSettled waits for the first answer too.
func openSettled(t *testing.T, parent context.Context, s *Server, path string, width, height int, first ...step) *browser {
	t.Helper()
	b := openPage(t, parent, s, path, width, height, first...)
	b.settled()
	return b
}

func (b *browser) run(actions ...step) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, actions...))
}

// eval evaluates JavaScript into v.
func eval[T any](b *browser, js string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js))
	require.NoError(b.t, err, js)
	return v
}

// wait waits until JavaScript says true.
func (b *browser) wait(js string) {
	b.t.Helper()
	// Asked from here: a function made from a string in the page is what the page's
	// policy forbids.
	for began := time.Now(); time.Since(began) < patience/4; {
		if eval[bool](b, "!!("+js+")") {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	b.shot("failure")
	require.Fail(b.t, "never came true: "+js, "trouble: %v", b.trouble)
}

// settled waits until nothing is under way.
func (b *browser) settled() {
	b.t.Helper()
	b.wait(`document.getElementById("composer")?.getAttribute("aria-busy") === "false" && !document.querySelector("#hits .skeleton, #hits[data-stale]")`)
}

// typeText types and waits for the answer.
func (b *browser) typeText(text string) {
	b.t.Helper()
	b.enterText(text, chromedp.KeyEvent(text))
}

// pasteText is typeText in one event. A browser puts up with some 200 changes of the address in half a minute, and on a
// slow machine every letter of a long text that is typed may be one.
func (b *browser) pasteText(text string) {
	b.t.Helper()
	b.enterText(text, command(input.InsertText, input.InsertTextParams{Text: text}))
}

func (b *browser) enterText(text string, enter step) {
	b.t.Helper()
	b.run(chromedp.Focus(chromedp.CSS("#q")), enter)
	b.wait(fmt.Sprintf(`new URLSearchParams(location.search).get("q") === %q`, text))
	b.settled()
}

func (b *browser) shot(name string) {
	b.t.Helper()
	dir := os.Getenv(screenshots)
	if dir == "" {
		return
	}
	// Photos that are in view have arrived, and nothing moves any more.
	for range 100 {
		if eval[bool](b, `[...document.images].every(i => i.complete || i.loading === "lazy")`) {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	b.run(chromedp.Sleep(250 * time.Millisecond))
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	require.NoError(b.t, err)
	require.NoError(b.t, os.MkdirAll(dir, 0o755))
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644))
}

// point moves the mouse to the middle of an element.
func (b *browser) point(selector string) {
	b.t.Helper()
	xy := eval[[]float64](b, fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.scrollIntoView({block: "nearest"}); const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()`, selector))
	b.run(chromedp.MouseEvent(chromedp.MouseMoved, xy[0], xy[1]))
}

// boxes returns the regions drawn in a frame, as shares of it.
func (b *browser) boxes(frame string) map[string][4]float64 {
	b.t.Helper()
	type drawn struct {
		Words string
		Box   [4]float64
	}
	out := map[string][4]float64{}
	for _, d := range eval[[]drawn](b, fmt.Sprintf(`(() => { const f = document.querySelector(%q), r = f.getBoundingClientRect();
		return [...f.querySelectorAll(".box")].map(e => { const q = e.getBoundingClientRect();
			return {words: e.dataset.words, box: [(q.left - r.left) / r.width, (q.top - r.top) / r.height, (q.right - r.left) / r.width, (q.bottom - r.top) / r.height]}; }); })()`, frame)) {
		out[d.Words] = d.Box
	}
	return out
}

func (b *browser) clean() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	assert.Empty(b.t, b.trouble)
}

func TestPage(t *testing.T) {
	chrome := startBrowser(t)
	w := newWorld(t, 40, 320, 3)
	s := w.server(t, Options{})
	scene, object := findObject(w)
	require.GreaterOrEqual(t, scene, 0)
	colour, noun := object.Colour.String(), object.Noun()
	first := `document.querySelector("#hits .hit .open").getAttribute("aria-label")`

	t.Run("browse", func(t *testing.T) {
		b := openSettled(t, chrome, s, "/", 1280, 860)
		b.wait(`document.querySelectorAll("#hits .hit img").length >= 10`)
		assert.Equal(t, "From this collection", eval[string](b, `document.getElementById("results-title").textContent`))
		b.shot("browse")
		b.clean()
	})

	t.Run("type, see hits, hover", func(t *testing.T) {
		b := openSettled(t, chrome, s, "/", 1280, 860)
		b.typeText("a " + colour + " " + noun)
		assert.Equal(t, "1. "+w.id(scene), eval[string](b, first))
		assert.Contains(t, eval[string](b, `document.getElementById("live").textContent`), "30 photos. Best: "+w.id(scene))
		// While the user typed, searches that were overtaken were not all sent.
		assert.Less(t, b.sent("GET /api/search"), len("a "+colour+" "+noun))
		b.point("#hits .hit .open")
		boxes := b.boxes("#hits .hit .frame")
		require.Contains(t, boxes, colour+" "+noun, "both words matched one region")
		for i, want := range object.Box {
			assert.InDelta(t, want, boxes[colour+" "+noun][i], 0.01)
		}
		b.shot("hover")
		b.point("#hits .hit .w:not(.mute)")
		b.wait(`document.querySelectorAll("#hits .hit .box.alone").length === 1`)
		assert.Contains(t, b.boxes("#hits .hit .frame"), colour)
		b.shot("hover-word")
		b.point("#about")
		b.wait(`document.querySelectorAll(".box").length === 0`)
		b.clean()
	})

	t.Run("without", func(t *testing.T) {
		b := openSettled(t, chrome, s, "/?q="+noun+"+without+"+colour, 1280, 860)
		assert.NotEqual(t, "1. "+w.id(scene), eval[string](b, first))
		assert.Equal(t, colour, eval[string](b, `document.querySelector("#hits .w.against").textContent`))
		b.run(chromedp.Click(chromedp.CSS("#words-toggle")))
		b.wait(`document.querySelectorAll("#words .weigh").length === 2 && document.querySelector("#words .weigh.without")`)
		b.shot("without")
		b.clean()
	})

	t.Run("weigh words", func(t *testing.T) {
		b := openSettled(t, chrome, s, "/?q="+colour+"+"+noun, 1280, 860)
		b.run(chromedp.Click(chromedp.CSS("#words-toggle")))
		before := eval[string](b, `document.querySelector("#hits .scores b").textContent`)
		b.run(chromedp.Focus(chromedp.CSS("#words input")), chromedp.KeyEvent(kb.End))
		b.wait(fmt.Sprintf(`location.search.includes("word=%s") && document.querySelector("#hits .scores b").textContent !== %q`, colour, before))
		assert.Equal(t, "1", eval[string](b, `document.querySelector("#words-toggle .count").textContent`))
		b.clean()
	})

	t.Run("tags", func(t *testing.T) {
		b := openSettled(t, chrome, s, "/?q="+noun, 1280, 860)
		b.run(chromedp.Click(chromedp.CSS("#tags-toggle")), chromedp.WaitVisible(chromedp.CSS("#tags .tag")))
		all := eval[int](b, `document.querySelectorAll("#hits .hit").length`)
		b.run(chromedp.Click(chromedp.CSS("#tags .tag")))
		b.wait(`location.search.includes("all=")`)
		b.settled()
		some := eval[int](b, `document.querySelectorAll("#hits .hit").length`)
		assert.Less(t, some, all)
		b.shot("tags")
		b.run(chromedp.Click(chromedp.CSS("#tags .tag")), chromedp.Click(chromedp.CSS("#tags .tag")))
		b.wait(`location.search.includes("none=")`)
		b.settled()
		assert.Positive(t, eval[int](b, `document.querySelectorAll("#hits .hit").length`))
		b.run(chromedp.NavigateBack())
		b.wait(`location.search.includes("any=")`)
		b.clean()
	})

	t.Run("drop a photo", func(t *testing.T) {
		b := openSettled(t, chrome, s, "/", 1280, 860)
		data, err := os.ReadFile(filepath.Join(w.dir, w.id(scene)))
		require.NoError(t, err)
		eval[bool](b, fmt.Sprintf(`(() => {
			const bytes = Uint8Array.from(atob(%q), c => c.charCodeAt(0));
			const dt = new DataTransfer();
			dt.items.add(new File([bytes], "mine.png", {type: "image/png"}));
			document.body.dispatchEvent(new DragEvent("dragenter", {dataTransfer: dt, bubbles: true, cancelable: true}));
			const seen = !document.getElementById("drop").hidden;
			document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: dt, bubbles: true, cancelable: true}));
			return seen; })()`, base64.StdEncoding.EncodeToString(data)))
		b.wait(fmt.Sprintf(`%s === %q`, first, "1. "+w.id(scene)))
		b.settled()
		assert.True(t, eval[bool](b, `document.getElementById("drop").hidden`))
		b.point("#hits .hit:nth-child(2) .open")
		assert.NotEmpty(t, b.boxes("#hits .hit:nth-child(2) .frame"))
		b.shot("photo")
		// Its captions: their words are found on the photo that was dropped.
		b.run(chromedp.Click(chromedp.CSS(`#kinds input[value="caption"] + span`)))
		b.wait(`document.querySelectorAll("#hits .quote").length > 0`)
		b.settled()
		b.point("#hits .hit .open")
		assert.NotEmpty(t, b.boxes("#parts .frame"))
		b.shot("photo-captions")
		// Words on top of the photo; the photo itself is not sent again.
		b.typeText(colour)
		assert.GreaterOrEqual(t, b.sent("POST /api/search"), 3)
		b.clean()
	})

	t.Run("more like this", func(t *testing.T) {
		b := openSettled(t, chrome, s, "/?q="+noun, 1280, 860)
		id := strings.TrimPrefix(eval[string](b, first), "1. ")
		b.point("#hits .hit .open")
		b.run(chromedp.Click(chromedp.CSS("#hits .hit .like")))
		b.wait(`location.search.includes("like=")`)
		b.settled()
		assert.NotEqual(t, "1. "+id, eval[string](b, first), "an item is not like itself")
		assert.Equal(t, id, eval[string](b, `document.querySelector("#parts b").textContent`))
		b.shot("like")
		b.clean()
	})

	t.Run("unknown words", func(t *testing.T) {
		b := openSettled(t, chrome, s, "/?q=犬", 1280, 860)
		b.wait(`!document.getElementById("notice").hidden && document.getElementById("notice").textContent.includes("knows no word")`)
		b.run(chromedp.Click(chromedp.CSS("#clear")))
		b.wait(`document.getElementById("notice").hidden`)
		b.clean()
	})

	t.Run("keyboard only", func(t *testing.T) {
		b := openSettled(t, chrome, s, "/", 1280, 860)
		b.wait(`document.activeElement.blur() || document.activeElement.id !== "q"`) // a page begins there
		// Only the key, not the character: the protocol would type it even where the page prevents that, and a
		// slow machine would search for "/".
		b.run(command(input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeRawKeyDown, Key: "/", Code: "Slash"}))
		b.wait(`document.activeElement.id === "q"`)
		b.run(chromedp.KeyEvent(colour + " " + noun))
		b.wait(fmt.Sprintf(`new URLSearchParams(location.search).get("q") === %q`, colour+" "+noun)) // all of it: a slow machine searches for the beginning too
		b.settled()
		active := `[...document.querySelectorAll("#hits .open")].indexOf(document.activeElement)`
		press := func(key string) { b.run(chromedp.KeyEvent(key)) }
		press(kb.ArrowDown)
		b.wait(active + " === 0")
		assert.NotEmpty(t, b.boxes("#hits .hit .frame"), "the focused hit shows its regions")
		b.shot("keyboard")
		press(kb.ArrowRight)
		b.wait(active + " === 1")
		press(kb.ArrowDown)
		b.wait(active + " > 2")
		press(kb.ArrowUp)
		b.wait(active + " === 1")
		press("\r")
		b.wait(`document.getElementById("detail").open`)
		assert.NotEmpty(t, b.boxes("#detail .frame"))
		press("\t")
		b.wait(`document.activeElement.classList.contains("match")`)
		b.shot("detail")
		press(kb.ArrowRight)
		b.wait(`document.getElementById("detail-title").textContent === document.querySelectorAll("#hits .open")[2].getAttribute("aria-label").slice(3)`)
		press(kb.Escape)
		b.wait(active + " === 2")
		press("l")
		b.wait(`location.search.includes("like=")`)
		b.settled()
		b.clean()
	})

	t.Run("phone", func(t *testing.T) {
		b := openSettled(t, chrome, s, "/?q=a+"+colour+"+"+noun, 390, 844,
			chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch))
		assert.LessOrEqual(t, eval[int](b, `document.documentElement.scrollWidth`), 390, "nothing sticks out")
		b.shot("phone")
		b.run(chromedp.Click(chromedp.CSS("#tune-toggle")), chromedp.Click(chromedp.CSS("#words-toggle")))
		assert.LessOrEqual(t, eval[int](b, `document.documentElement.scrollWidth`), 390)
		b.shot("phone-panels")
		b.run(chromedp.Click(chromedp.CSS("#hits .hit .open")))
		b.wait(`document.getElementById("detail").open`)
		b.shot("phone-detail")
		b.clean()
	})

	t.Run("dark", func(t *testing.T) {
		b := openSettled(t, chrome, s, "/?q=a+"+colour+"+"+noun+"+without+grass", 1280, 860,
			command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}}))
		dark := `getComputedStyle(document.body).backgroundColor`
		assert.Equal(t, "rgb(21, 19, 17)", eval[string](b, dark))
		b.point("#hits .hit:nth-child(2) .open")
		b.shot("dark")
		b.run(chromedp.Click(chromedp.CSS("#theme")))
		assert.Equal(t, "rgb(250, 248, 244)", eval[string](b, dark), "light was chosen")
		b.clean()
	})

	t.Run("nothing and errors", func(t *testing.T) {
		b := openSettled(t, chrome, s, "/?q=x&all=no+such+tag", 1280, 860)
		b.wait(`!document.getElementById("empty").hidden`)
		b.shot("empty")
		b.run(chromedp.Click(chromedp.CSS("#empty button")))
		b.wait(`document.querySelectorAll("#hits .hit").length > 0`)
		b.clean()
		b.srv.Close()
		b.run(chromedp.Focus(chromedp.CSS("#q")), chromedp.KeyEvent(" y"))
		b.wait(`!document.getElementById("notice").hidden`)
		b.shot("error")
	})

	t.Run("token", func(t *testing.T) {
		s := w.server(t, Options{Token: "open sesame, open sesame"})
		b := openPage(t, chrome, s, "/?q="+noun, 1280, 860)
		b.wait(`document.getElementById("login").open`)
		b.shot("token")
		b.run(chromedp.SendKeys(chromedp.CSS("#token"), "open sesame, open sesame"), chromedp.KeyEvent("\r"))
		b.wait(`document.querySelectorAll("#hits .hit img").length > 5`)
	})
}
