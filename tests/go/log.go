package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

// A log is what is read over the network, and where a copy of it goes.
type log struct {
	base   string
	mirror string
	client *http.Client
	known  note.Verifiers
	origin string
}

func (l *log) get(path string) ([]byte, error) {
	answer, err := l.client.Get(l.base + "/" + path)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, answer.Status)
	}
	if l.mirror != "" {
		to := filepath.Join(l.mirror, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return nil, err
		}
		return body, os.WriteFile(to, body, 0o600)
	}
	return body, nil
}

// open verifies a signed checkpoint and reads its three lines. tlog.ParseTree is for the
// checksum database's own heading, so the lines are read here.
func (l *log) open(signed []byte) (tlog.Tree, error) {
	n, err := note.Open(signed, l.known)
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] != l.origin {
		return tlog.Tree{}, fmt.Errorf("not a checkpoint of %s: %q", l.origin, n.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, fmt.Errorf("not a size: %q", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// number writes N as C2SP does: groups of three digits, all but the last behind an x.
func number(n int64) string {
	text := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		text = fmt.Sprintf("x%03d/%s", n%1000, text)
	}
	return text
}

func place(kind string, n int64, width int) string {
	path := "tile/" + kind + "/" + number(n)
	if width < tileWidth {
		path += fmt.Sprintf(".p/%d", width)
	}
	return path
}

func tilePath(t tlog.Tile) string { return place(strconv.Itoa(t.L), t.N, t.W) }

// tiles lets tlog.TileHashReader read the log; it checks every tile against the root.
type tiles struct{ log *log }

func (t tiles) Height() int                     { return tileHeight }
func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}
func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		data, err := t.log.get(tilePath(tile))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

// entries reads every bundle: uint16 length and bytes, one entry after the other.
func (l *log) entries(size int64) ([][]byte, error) {
	var all [][]byte
	for n := int64(0); n*tileWidth < size; n++ {
		width := int(min(size-n*tileWidth, tileWidth))
		path := place("entries", n, width)
		bundle, err := l.get(path)
		if err != nil {
			return nil, err
		}
		for range width {
			if len(bundle) < 2 || len(bundle)-2 < int(binary.BigEndian.Uint16(bundle)) {
				return nil, fmt.Errorf("%s is cut off after entry %d", path, len(all)-1)
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			all = append(all, bundle[2:end])
			bundle = bundle[end:]
		}
		if len(bundle) != 0 {
			return nil, fmt.Errorf("%s holds more than its %d entries", path, width)
		}
	}
	return all, nil
}
