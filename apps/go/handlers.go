package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const (
	waitMaxMs      = 10_000
	roundsMax      = 10_000_000
	uploadMaxBytes = 64 << 20
	blobMaxBytes   = 256 << 20
)

// piece is what /blob is made of: the byte at offset i is i & 0xff.
var piece = func() (made [65536]byte) {
	for i := range made {
		made[i] = byte(i)
	}
	return
}()

// routes are those of the contract that need no database.
func routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", text("ok"))
	mux.Handle("GET /plaintext", text("Hello, World!"))
	mux.HandleFunc("GET /json", jsonMessage)
	mux.HandleFunc("GET /io", wait)
	mux.HandleFunc("GET /cpu", compute)
	mux.HandleFunc("POST /upload", upload)
	mux.HandleFunc("GET /blob", blob)
	mux.Handle("GET /static/{name}", staticFiles(cmp.Or(os.Getenv("STATIC_DIR"), "static")))
	mux.HandleFunc("GET /whoami", whoami)
	if secret := os.Getenv("FAULT_SECRET"); secret != "" {
		faultRoutes(mux, secret)
	}
	return unredirected(mux)
}

// unredirected answers 404 where a ServeMux would redirect to the path without dots and doubled slashes.
func unredirected(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked := r.URL.EscapedPath(); path.Clean(asked) != asked {
			http.NotFound(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func jsonMessage(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, struct {
		Message string `json:"message"`
	}{"Hello, World!"})
}

func wait(w http.ResponseWriter, r *http.Request) {
	ms, ok := strict(w, r, "ms", waitMaxMs)
	if !ok {
		return
	}
	time.Sleep(time.Duration(ms) * time.Millisecond)
	writeJSON(w, http.StatusOK, struct {
		WaitedMs int `json:"waited_ms"`
	}{ms})
}

func compute(w http.ResponseWriter, r *http.Request) {
	rounds, ok := strict(w, r, "n", roundsMax)
	if !ok {
		return
	}
	x := uint64(1)
	for range rounds {
		x = (x*1103515245 + 12345) & 0x7fffffff
	}
	writeJSON(w, http.StatusOK, struct {
		N      int    `json:"n"`
		Result uint64 `json:"result"`
	}{rounds, x})
}

func upload(w http.ResponseWriter, r *http.Request) {
	digest := sha256.New()
	size, err := io.Copy(digest, http.MaxBytesReader(w, r.Body, uploadMaxBytes))
	if tooLong := new(http.MaxBytesError); errors.As(err, &tooLong) {
		writeError(w, http.StatusRequestEntityTooLarge, "body: longer than "+strconv.Itoa(uploadMaxBytes)+" bytes")
		return
	}
	if err != nil {
		writeError(w, http.StatusBadRequest, "body: broken off or malformed")
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Bytes  int64  `json:"bytes"`
		SHA256 string `json:"sha256"`
	}{size, hex.EncodeToString(digest.Sum(nil))})
}

func blob(w http.ResponseWriter, r *http.Request) {
	left, ok := strict(w, r, "bytes", blobMaxBytes)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(left))
	for left > 0 {
		// Waits while the connection is behind, so a slow reader holds back the next piece.
		written, err := w.Write(piece[:min(left, len(piece))])
		if err != nil {
			return // The client went away; nobody is left to tell.
		}
		left -= written
	}
}

// staticFiles serves the files right in folder. What cannot be one's name is 404, not the error that opening it would give.
func staticFiles(folder string) http.Handler {
	files := http.StripPrefix("/static/", http.FileServer(http.Dir(folder)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name := r.PathValue("name"); strings.ContainsAny(name, "/\x00") || len(name) > 255 {
			http.NotFound(w, r)
			return
		}
		files.ServeHTTP(w, r)
	})
}

func whoami(w http.ResponseWriter, r *http.Request) {
	version := strings.TrimPrefix(runtime.Version(), "go")
	writeJSON(w, http.StatusOK, struct {
		Framework        string  `json:"framework"`
		FrameworkVersion string  `json:"framework_version"`
		Server           string  `json:"server"`
		Python           *string `json:"python"`
		Implementation   string  `json:"implementation"`
		Loop             *string `json:"loop"`
		Pid              int     `json:"pid"`
		Data             string  `json:"data"`
	}{
		Framework: "net/http", FrameworkVersion: version, Server: "net/http/" + version, Implementation: "go/" + version,
		Pid: os.Getpid(), Data: "none",
	})
}
