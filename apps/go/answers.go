package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
)

// writeJSON answers with value as the contract writes JSON: <, > and & as they are, and no newline at the end.
func writeJSON(w http.ResponseWriter, status int, value any) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(bytes.TrimSuffix(body.Bytes(), []byte("\n")))
}

func writeError(w http.ResponseWriter, status int, reason string) {
	writeJSON(w, status, struct {
		Error string `json:"error"`
	}{reason})
}

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, body)
	}
}

// strict reads a whole number from 0 to highest. Where the parameter is anything else, it answers with the reason and returns false.
func strict(w http.ResponseWriter, r *http.Request, name string, highest int) (int, bool) {
	raw := r.URL.Query().Get(name)
	number, fault := 0, ""
	switch {
	case raw == "":
		fault = "is missing"
	case !digitsOnly(raw):
		fault = "is not a whole number"
	default:
		var err error
		// More digits than an int holds are beyond every bound.
		if number, err = strconv.Atoi(raw); err != nil || number > highest {
			fault = "is more than " + strconv.Itoa(highest)
		}
	}
	if fault != "" {
		writeError(w, http.StatusBadRequest, name+": "+fault)
	}
	return number, fault == ""
}

func digitsOnly(raw string) bool {
	for _, c := range []byte(raw) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
