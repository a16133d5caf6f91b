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
	m, err := aladin.OpenModel(os.Args[1], nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	ix, err := index.Open(os.Args[2], nil)
	if err != nil {
		log.Fatal(err)
	}
	defer ix.Close()
	http.Handle("GET /search", Search(m, ix))
	server := &http.Server{Addr: os.Args[3], ReadHeaderTimeout: 5 * time.Second}
	log.Print(server.ListenAndServe())
}

// Search answers queries. Model and index are safe for concurrent use, and a client that goes away ends its
// search through the request's context.
func Search(m *aladin.Model, ix *index.Index) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, err := m.Encode(r.Context(), aladin.Text(r.FormValue("q")))
		if errors.Is(err, aladin.ErrInput) {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var hits []aladin.Hit
		if err == nil {
			hits, err = aladin.Search(r.Context(), m, ix, query, aladin.SearchOptions{K: 10})
		}
		if err != nil {
			log.Print(err)
			http.Error(w, "search failed", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(hits); err != nil {
			log.Print(err)
		}
	})
}
