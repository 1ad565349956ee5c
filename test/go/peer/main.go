// Program peer is Go's HTTP server and client, as its users have them:
//
//	peer serve PORT                    HTTP/1.1, and HTTP/2 with prior knowledge
//	peer front PORT HOST:PORT          sends on what it read, to another HTTP/1.1 server
//	peer load http|h2c HOST:PORT N     asks from N goroutines until SIGTERM
//	peer body http|h2c HOST:PORT SIZE  one request of that size, with trailers both ways
//
// The server answers with what it saw; a client judges each answer, and prints as JSON what became
// of them. Go's client asks again by itself what the protocol says was not begun, and nothing else.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/h2c"
)

type answer struct {
	Size                 int64
	Sum                  uint32
	Proto, Trailer, Path string
}

func serve(port string) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sum := crc32.NewIEEE()
		size, err := io.Copy(sum, r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Trailer", "X-Sum")
		_ = json.NewEncoder(w).Encode(answer{size, sum.Sum32(), r.Proto, r.Trailer.Get("X-Sent"), r.URL.Path})
		w.Header().Set("X-Sum", fmt.Sprint(sum.Sum32()))
	})
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		panic(err)
	}
	fmt.Println("listening on", port)
	panic(http.Serve(listener, h2c.NewHandler(handler, &http2.Server{})))
}

func front(port, upstream string) {
	proxy := &httputil.ReverseProxy{Director: func(r *http.Request) { r.URL.Scheme, r.URL.Host = "http", upstream }}
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		panic(err)
	}
	fmt.Println("listening on", port)
	panic(http.Serve(listener, proxy))
}

func client(protocol string, count int) *http.Client {
	if protocol == "http" {
		return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: count}}
	}
	return &http.Client{Transport: &http2.Transport{
		AllowHTTP: true,
		DialTLSContext: func(ctx context.Context, network, address string, _ *tls.Config) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}}
}

func ask(c *http.Client, url string, body []byte) error {
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	request, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	return judge(c, request, body)
}

func judge(c *http.Client, request *http.Request, body []byte) error {
	response, err := c.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var seen answer
	if response.StatusCode != 200 {
		return fmt.Errorf("%d %q", response.StatusCode, text)
	}
	if err := json.Unmarshal(text, &seen); err != nil {
		return err
	}
	sum := crc32.ChecksumIEEE(body)
	if seen.Size != int64(len(body)) || seen.Sum != sum || seen.Trailer != request.Trailer.Get("X-Sent") ||
		response.Trailer.Get("X-Sum") != fmt.Sprint(sum) {
		return fmt.Errorf("%+v, trailer %v", seen, response.Trailer)
	}
	return nil
}

type tally struct {
	sync.Mutex
	done   int
	failed []string
}

func (t *tally) add(err error) {
	t.Lock()
	defer t.Unlock()
	t.done++
	if err != nil {
		t.failed = append(t.failed, err.Error())
		fmt.Println("failed:", err)
	}
	if t.done%20 == 0 {
		fmt.Println("done", t.done)
	}
}

func load(protocol, address string, count int) {
	over, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	c := client(protocol, count)
	t := tally{failed: []string{}}
	var all sync.WaitGroup
	fmt.Println("listening to none, asking")
	for n := 0; n < count; n++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := 0; over.Err() == nil; i++ {
				var body []byte
				if i%2 == 1 {
					body = bytes.Repeat([]byte("x"), i%3*1000)
				}
				t.add(ask(c, fmt.Sprintf("http://%s/%d", address, i), body))
			}
		}()
	}
	all.Wait()
	text, _ := json.Marshal(map[string]any{"event": "load", "done": t.done, "failed": t.failed})
	fmt.Println(string(text))
}

// Of a length that is not known beforehand, behind Expect: 100-continue, with a trailer.
func body(protocol, address string, size int) error {
	data := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
	request, err := http.NewRequest(http.MethodPost, "http://"+address+"/body", io.NopCloser(bytes.NewReader(data)))
	if err != nil {
		return err
	}
	request.Header.Set("Expect", "100-continue")
	request.Trailer = http.Header{"X-Sent": {"yes"}}
	return judge(client(protocol, 1), request, data)
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		serve(os.Args[2])
	}
	if len(os.Args) == 4 && os.Args[1] == "front" {
		front(os.Args[2], os.Args[3])
	}
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: peer serve PORT | peer front PORT HOST:PORT | peer load|body http|h2c HOST:PORT NUMBER")
		os.Exit(2)
	}
	number, err := strconv.Atoi(os.Args[4])
	if err == nil && os.Args[1] == "load" {
		load(os.Args[2], os.Args[3], number)
	} else if err == nil {
		err = body(os.Args[2], os.Args[3], number)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
