// Gocache is a build cache for the go command in two parts: one that was filled when the environment was built and that
// nobody can write to, and one in the user's own cache folder for what is compiled from then on.
//
// It speaks the protocol of GOCACHEPROG (cmd/go/internal/cacheprog) and keeps files as the go command does: xx/ID-a says
// which output an action has, xx/ID-d is the output.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

type request struct {
	ID       int64
	Command  string
	ActionID []byte
	OutputID []byte
	BodySize int64
}

type response struct {
	ID            int64
	Err           string     `json:",omitempty"`
	KnownCommands []string   `json:",omitempty"`
	Miss          bool       `json:",omitempty"`
	OutputID      []byte     `json:",omitempty"`
	Size          int64      `json:",omitempty"`
	Time          *time.Time `json:",omitempty"`
	DiskPath      string     `json:",omitempty"`
}

func main() {
	own, err := os.UserCacheDir()
	if err != nil || len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "gocache: wants the folder that was filled, and a home:", err)
		os.Exit(2)
	}
	folders := []string{filepath.Join(own, "go-build-here"), os.Args[1]}
	in, out := bufio.NewReaderSize(os.Stdin, 1<<20), json.NewEncoder(os.Stdout)
	out.Encode(response{KnownCommands: []string{"get", "put", "close"}})
	for {
		asked, err := next(in)
		if err == io.EOF {
			return
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "gocache:", err)
			os.Exit(2)
		}
		said := response{ID: asked.ID}
		switch asked.Command {
		case "get":
			get(folders, asked.ActionID, &said)
		case "put":
			if err := put(folders[0], asked, in, &said); err != nil {
				said.Err = err.Error()
			}
		}
		out.Encode(said)
		if asked.Command == "close" {
			return
		}
	}
}

// next reads a request, a JSON object on a line of its own.
func next(in *bufio.Reader) (request, error) {
	var asked request
	for {
		line, err := in.ReadBytes('\n')
		if len(strings.TrimSpace(string(line))) > 0 {
			return asked, json.Unmarshal(line, &asked)
		}
		if err != nil {
			return asked, err
		}
	}
}

func place(folder string, id []byte, kind string) string {
	name := hex.EncodeToString(id)
	return filepath.Join(folder, name[:2], name+"-"+kind)
}

// get looks an action up, in the user's own part first.
func get(folders []string, action []byte, said *response) {
	said.Miss = true
	for _, folder := range folders {
		entry, err := os.ReadFile(place(folder, action, "a"))
		fields := strings.Fields(string(entry))
		if err != nil || len(fields) != 5 || fields[1] != hex.EncodeToString(action) {
			continue
		}
		output, err := hex.DecodeString(fields[2])
		size, err2 := strconv.ParseInt(fields[3], 10, 64)
		at, err3 := strconv.ParseInt(fields[4], 10, 64)
		if err != nil || err2 != nil || err3 != nil {
			continue
		}
		path := place(folder, output, "d")
		if there, err := os.Stat(path); err != nil || there.Size() != size {
			continue
		}
		when := time.Unix(0, at)
		said.Miss, said.OutputID, said.Size, said.Time, said.DiskPath = false, output, size, &when, path
		return
	}
}

// put keeps an output, which follows the request as a JSON string in base64, and says where it is.
func put(folder string, asked request, in *bufio.Reader, said *response) error {
	body := io.Reader(strings.NewReader(""))
	if asked.BodySize > 0 {
		if _, err := in.ReadBytes('"'); err != nil {
			return err
		}
		body = base64.NewDecoder(base64.StdEncoding, &untilQuote{in: in})
	}
	path := place(folder, asked.OutputID, "d")
	err := write(path, body, asked.BodySize)
	io.Copy(io.Discard, body) // whatever became of it, the next request comes after it
	if err != nil {
		return err
	}
	entry := fmt.Sprintf("v1 %x %x %20d %20d\n", asked.ActionID, asked.OutputID, asked.BodySize, time.Now().UnixNano())
	said.DiskPath = path
	return write(place(folder, asked.ActionID, "a"), strings.NewReader(entry), int64(len(entry)))
}

// write makes a file of a known size that is never seen half-written.
func write(path string, from io.Reader, size int64) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(path), ".part-*")
	if err != nil {
		return err
	}
	defer os.Remove(part.Name())
	written, err := io.Copy(part, from)
	if closing := part.Close(); err == nil {
		err = closing
	}
	if err == nil && written != size {
		err = fmt.Errorf("%d bytes came instead of %d", written, size)
	}
	if err != nil {
		return err
	}
	return os.Rename(part.Name(), path)
}

// untilQuote reads up to the end of a JSON string that has no escapes.
type untilQuote struct {
	in   *bufio.Reader
	done bool
}

func (r *untilQuote) Read(into []byte) (int, error) {
	count := 0
	for !r.done && count < len(into) {
		letter, err := r.in.ReadByte()
		if err != nil {
			return count, io.ErrUnexpectedEOF
		}
		if letter == '"' {
			r.done = true
			break
		}
		into[count] = letter
		count++
	}
	if count == 0 && r.done {
		return 0, io.EOF
	}
	return count, nil
}
