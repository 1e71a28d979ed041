package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"golang.org/x/sync/errgroup"
)

// connections is the number of blobs that plain transfers move at a time, which
// is satchel's number of lanes.
const connections = 4

// each does one thing to every blob, so many at a time, and times it.
func each(ctx context.Context, blobs []oci.Descriptor, do func(context.Context, *http.Client, oci.Descriptor) error) (usage, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}}
	defer client.CloseIdleConnections()
	began := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(connections)
	for _, d := range blobs {
		g.Go(func() error { return do(ctx, client, d) })
	}
	err := g.Wait()
	return usage{wall: time.Since(began)}, err
}

// get copies a blob of the source to w.
func get(ctx context.Context, client *http.Client, base string, d oci.Descriptor, w io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/blobs/"+d.Digest.String(), nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, resp.Body, make([]byte, 256*kib))
	if err == nil && (n != d.Size || resp.StatusCode != http.StatusOK) {
		err = fmt.Errorf("%s: %s, %d bytes of %d", req.URL, resp.Status, n, d.Size)
	}
	return errors.Join(err, resp.Body.Close())
}

func getToNowhere(ctx context.Context, base string, blobs []oci.Descriptor) (usage, error) {
	return each(ctx, blobs, func(ctx context.Context, client *http.Client, d oci.Descriptor) error {
		return get(ctx, client, base, d, io.Discard)
	})
}

// getToFiles gets every blob into a synced file below dir.
func getToFiles(ctx context.Context, base, dir string, blobs []oci.Descriptor) (usage, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return usage{}, err
	}
	u, err := each(ctx, blobs, func(ctx context.Context, client *http.Client, d oci.Descriptor) error {
		f, err := os.Create(filepath.Join(dir, d.Digest.Encoded()))
		if err != nil {
			return err
		}
		err = get(ctx, client, base, d, f)
		if err == nil {
			err = f.Sync()
		}
		return errors.Join(err, f.Close())
	})
	return u, errors.Join(err, os.RemoveAll(dir))
}

// put uploads every blob from src.
func put(ctx context.Context, base string, src oci.Source, blobs []oci.Descriptor) (usage, error) {
	return each(ctx, blobs, func(ctx context.Context, client *http.Client, d oci.Descriptor) error {
		place, err := send(ctx, client, http.MethodPost, base+"/blobs/uploads/", nil, 0, http.StatusAccepted)
		if err != nil {
			return err
		}
		body, err := src.Open(ctx, d, 0)
		if err != nil {
			return err
		}
		_, err = send(ctx, client, http.MethodPut, place+"?digest="+d.Digest.String(), body, d.Size, http.StatusCreated)
		return err
	})
}

// send makes one request, wants the status, and returns the place that the answer names.
func send(ctx context.Context, client *http.Client, method, url string, body io.Reader, size int64, want int) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return "", err
	}
	req.ContentLength = size
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	if err := resp.Body.Close(); err != nil {
		return "", err
	}
	if resp.StatusCode != want {
		return "", fmt.Errorf("%s %s: %s", method, req.URL, resp.Status)
	}
	place, err := resp.Location()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", method, req.URL, err)
	}
	return place.String(), nil
}
