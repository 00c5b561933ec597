// Command logcheck checks a daicho log with code that daicho's authors did not write: the
// notes and trees of Go's own module mirror (golang.org/x/mod/sumdb). It knows nothing of
// daicho, only C2SP signed-note, tlog-checkpoint, tlog-tiles and tlog-proof.
//
//	logcheck -url BASE -vkey KEY... [-old FILE]... [-proofs DIR] [-mirror DIR]
//
// BASE may be a file: URL. It ends with 0 only if everything holds; else the last line says
// what does not.
package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// check holds everything that the log serves against the newest checkpoint.
func (l *log) check() (tlog.Tree, error) {
	signed, err := l.get("checkpoint")
	if err != nil {
		return tlog.Tree{}, err
	}
	tree, err := l.open(signed)
	if err != nil {
		return tree, fmt.Errorf("checkpoint: %w", err)
	}
	served := tlog.TileHashReader(tree, tiles{l})
	if root, err := tlog.TreeHash(tree.N, served); err != nil || root != tree.Hash {
		return tree, fmt.Errorf("the tiles do not give the checkpoint's root: %v, %w", root, err)
	}
	bodies, err := l.entries(tree.N)
	if err != nil {
		return tree, err
	}
	// The whole tree again, from the entries alone.
	var stored []tlog.Hash
	ours := tlog.HashReaderFunc(func(wanted []int64) ([]tlog.Hash, error) {
		var hashes []tlog.Hash
		for _, index := range wanted {
			hashes = append(hashes, stored[index])
		}
		return hashes, nil
	})
	var level0 []int64
	for i := range bodies {
		level0 = append(level0, tlog.StoredHashIndex(0, int64(i)))
	}
	leaves, err := served.ReadHashes(level0)
	if err != nil {
		return tree, err
	}
	for i, body := range bodies {
		if leaves[i] != tlog.RecordHash(body) {
			return tree, fmt.Errorf("entry %d is not the leaf that the tree holds", i)
		}
		hashes, err := tlog.StoredHashes(int64(i), body, ours)
		if err != nil {
			return tree, err
		}
		stored = append(stored, hashes...)
	}
	if root, err := tlog.TreeHash(tree.N, ours); err != nil || root != tree.Hash {
		return tree, fmt.Errorf("the entries do not give the checkpoint's root: %v, %w", root, err)
	}
	all := tlog.NewTiles(tileHeight, 0, tree.N)
	for _, tile := range all {
		data, err := l.get(tilePath(tile))
		if err != nil {
			return tree, err
		}
		if own, err := tlog.ReadTileData(tile, ours); err != nil || !bytes.Equal(own, data) {
			return tree, fmt.Errorf("%s is not what the entries give: %w", tilePath(tile), err)
		}
	}
	fmt.Printf("size %d, %d tiles, root %v\n", tree.N, len(all), tree.Hash)
	return tree, nil
}

// consistent checks that the tree of an older checkpoint is a beginning of the newest one.
func (l *log) consistent(file string, newest tlog.Tree) error {
	signed, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	old, err := l.open(signed)
	if err != nil {
		return err
	}
	if old.N > newest.N {
		return fmt.Errorf("the log has %d entries; the checkpoint promises %d", newest.N, old.N)
	}
	proof, err := tlog.ProveTree(newest.N, old.N, tlog.TileHashReader(newest, tiles{l}))
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, newest.N, newest.Hash, old.N, old.Hash)
}

// included checks NAME.tlog-proof over the bytes of NAME.body, offline.
func (l *log) included(file string) error {
	proof, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	body, err := os.ReadFile(strings.TrimSuffix(file, ".tlog-proof") + ".body")
	if err != nil {
		return err
	}
	head, signed, _ := bytes.Cut(proof, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a tlog-proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return err
	}
	var path tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(hash) != tlog.HashSize {
			return fmt.Errorf("not a hash: %q", line)
		}
		path = append(path, tlog.Hash(hash))
	}
	tree, err := l.open(signed)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(path, tree.N, tree.Hash, index, tlog.RecordHash(body))
}

func run() error {
	base := flag.String("url", "", "the log, without a slash at the end")
	var verifiers []note.Verifier
	flag.Func("vkey", "a verifier key of the log's (repeatable)", func(vkey string) error {
		verifier, err := note.NewVerifier(vkey)
		verifiers = append(verifiers, verifier)
		return err
	})
	proofs := flag.String("proofs", "", "directory of NAME.tlog-proof and NAME.body")
	mirror := flag.String("mirror", "", "directory that a copy of what is read goes to")
	var olds []string
	flag.Func("old", "an older checkpoint (repeatable)", func(file string) error {
		olds = append(olds, file)
		return nil
	})
	flag.Parse()
	if len(verifiers) == 0 {
		return errors.New("-vkey is not given")
	}
	transport := &http.Transport{}
	transport.RegisterProtocol("file", http.NewFileTransport(http.Dir("/")))
	l := &log{*base, *mirror, &http.Client{Transport: transport}, note.VerifierList(verifiers...), verifiers[0].Name()}
	newest, err := l.check()
	if err != nil {
		return err
	}
	for _, old := range olds {
		if err := l.consistent(old, newest); err != nil {
			return fmt.Errorf("%s: %w", old, err)
		}
	}
	var files []string
	if *proofs != "" {
		files, err = filepath.Glob(filepath.Join(*proofs, "*.tlog-proof"))
		if err != nil || len(files) == 0 {
			return fmt.Errorf("no proofs in %s: %w", *proofs, err)
		}
	}
	for _, file := range files {
		if err := l.included(file); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	fmt.Printf("all holds: %d older checkpoints, %d proofs\n", len(olds), len(files))
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "logcheck:", err)
		os.Exit(1)
	}
}
