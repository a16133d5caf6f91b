// Command handler puts a search into a web service of one's own: handler MODEL INDEX ADDRESS, then
// GET /search?q=a+sentence. (aladin-index serve is the complete server, with a page.)
package main

import (
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: handler MODEL INDEX ADDRESS")
	}
	c, err := aladin.Open(os.Args[1], os.Args[2], nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	http.Handle("GET /search", Search(c))
	server := &http.Server{Addr: os.Args[3], ReadHeaderTimeout: 5 * time.Second}
	log.Print(server.ListenAndServe())
}

// Search answers queries. A collection is safe for concurrent use, and a client that goes away ends its search
// through the request's context.
func Search(c *aladin.Collection) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		found, err := c.Ask(r.Context(), r.FormValue("q"), nil)
		switch {
		case errors.Is(err, aladin.ErrNoWords), errors.Is(err, index.ErrInvalid):
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		case err != nil:
			log.Print(err)
			http.Error(w, "search failed", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(found.Hits); err != nil {
			log.Print(err)
		}
	})
}
