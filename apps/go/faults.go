package main

import (
	"bytes"
	"cmp"
	"crypto/subtle"
	"net/http"
	"os"
	"syscall"
	"time"
)

const longestMs = 600_000

// kept is what /fault/leak never gives back.
var kept [][]byte

// faultRoutes adds failures on request, for experiments on what one of them does to other requests; nothing calls it unless FAULT_SECRET
// is set.
func faultRoutes(mux *http.ServeMux, secret string) {
	for _, method := range []string{"GET", "POST"} {
		mux.HandleFunc(method+" /fault/{name}", func(w http.ResponseWriter, r *http.Request) {
			commit, known := faults[r.PathValue("name")]
			given := r.Header.Get("X-Fault-Secret")
			if !known || subtle.ConstantTimeCompare([]byte(given), []byte(secret)) != 1 {
				http.NotFound(w, r)
				return
			}
			commit(w, r)
		})
	}
}

// faults are the contract's; each waits first for as long as it is told.
var faults = map[string]http.HandlerFunc{
	// The server catches it and closes the connection: Go's idea of an exception in a handler.
	"raise": func(w http.ResponseWriter, r *http.Request) {
		if waited(w, r) {
			panic("asked for by /fault/raise")
		}
	},
	"exit": func(w http.ResponseWriter, r *http.Request) {
		if code, ok := optional(w, r, "code", 70, 255); ok && waited(w, r) {
			os.Exit(code)
		}
	},
	// A nil pointer would be a panic, which is caught. The runtime ends the process at a signal that comes from outside.
	"segv": func(w http.ResponseWriter, r *http.Request) {
		if waited(w, r) {
			syscall.Kill(os.Getpid(), syscall.SIGSEGV)
			select {}
		}
	},
	"hang": func(w http.ResponseWriter, r *http.Request) {
		if ms, ok := optional(w, r, "ms", 1000, longestMs); ok && waited(w, r) {
			time.Sleep(time.Duration(ms) * time.Millisecond)
			writeJSON(w, http.StatusOK, struct {
				HungMs int `json:"hung_ms"`
			}{ms})
		}
	},
	"leak": func(w http.ResponseWriter, r *http.Request) {
		if mib, ok := optional(w, r, "mib", 64, 65_536); ok && waited(w, r) {
			kept = append(kept, bytes.Repeat([]byte{1}, mib<<20))
			size := 0
			for _, one := range kept {
				size += len(one)
			}
			writeJSON(w, http.StatusOK, struct {
				KeptMib int `json:"kept_mib"`
			}{size >> 20})
		}
	},
	"burn": burn,
}

// burn computes for so many milliseconds by the clock. It has no place but inline: every handler is a goroutine, which is nobody's loop.
func burn(w http.ResponseWriter, r *http.Request) {
	if where := cmp.Or(r.URL.Query().Get("where"), "inline"); where != "inline" {
		writeError(w, http.StatusBadRequest, "where: must be inline")
		return
	}
	ms, ok := optional(w, r, "ms", 1000, longestMs)
	if !ok || !waited(w, r) {
		return
	}
	began := time.Now()
	end := began.Add(time.Duration(ms) * time.Millisecond)
	for x := uint32(1); time.Now().Before(end); {
		for range 1000 {
			x = (x*1103515245 + 12345) & 0x7fffffff
		}
	}
	writeJSON(w, http.StatusOK, struct {
		Pid   int     `json:"pid"`
		Began float64 `json:"began"`
		Ended float64 `json:"ended"`
	}{os.Getpid(), epoch(began), epoch(time.Now())})
}

// epoch is a time in seconds since 1970.
func epoch(at time.Time) float64 {
	return float64(at.UnixMicro()) / 1e6
}

// waited waits for the parameter after_ms; false where that was wrong, and has been answered.
func waited(w http.ResponseWriter, r *http.Request) bool {
	ms, ok := optional(w, r, "after_ms", 0, longestMs)
	if ok {
		time.Sleep(time.Duration(ms) * time.Millisecond)
	}
	return ok
}

// optional is as strict, but absent where the parameter is missing.
func optional(w http.ResponseWriter, r *http.Request, name string, absent, highest int) (int, bool) {
	if !r.URL.Query().Has(name) {
		return absent, true
	}
	return strict(w, r, name, highest)
}
