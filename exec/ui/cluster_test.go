package ui

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/millrace-engine/millrace/exec/cluster/standalone"
)

// The page and the JSON of a cluster show its state as it is when they are asked for;
// what programs and users wrote is text.
func TestCluster(t *testing.T) {
	size := standalone.Size{Cores: 4, Memory: 8 << 30}
	state := standalone.StateBody{}
	s := httptest.NewServer(Cluster("millrace://127.0.0.1:7077", func() standalone.StateBody { return state }))
	defer s.Close()
	get := func(path string) string {
		r, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d, %v\n%s", path, r.StatusCode, err, b)
		}
		return string(b)
	}
	shows := func(want ...string) {
		t.Helper()
		body := get("/")
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("%q is not in\n%s", w, body)
			}
		}
	}
	shows("millrace worker millrace://127.0.0.1:7077", "None runs.", "None was submitted.")
	state = standalone.StateBody{
		Workers: []standalone.WorkerState{
			{ID: "w1", Host: "a", Size: size, Free: standalone.Size{Cores: 1, Memory: 2 << 30}},
			{ID: "w2", Host: "b", Size: size, Free: size, Away: true},
			{ID: "w3", Host: "c", Size: size, Free: size, Draining: true},
		},
		Apps: []standalone.AppState{
			{ID: "app-1", Name: "<b>nightly</b>", Wanted: 3, Size: standalone.Size{Cores: 1, Memory: 1 << 30}, Executors: []standalone.Held{{N: 1, Worker: "w1"}, {N: 2, Worker: "w1"}}, Waiting: "no worker has 1 core"},
			{ID: "app-2", Name: "gone", Wanted: 1, Away: true},
		},
		Drivers: []standalone.DriverState{
			{ID: "d1", Name: "old", State: standalone.DriverFailed, Worker: "w2", Since: time.Now(), Reason: "exit status 3", Output: strings.Repeat("many lines\n", 50) + "the last one\n"},
			{ID: "d2", Name: "new", State: standalone.DriverRunning, Worker: "w1", Since: time.Now()},
		},
	}
	shows("3 of 8 cores and 6.0 GiB of 16.0 GiB in use", ">away<", ">draining<", "3 of 4", `width="75"`, "&lt;b&gt;nightly&lt;/b&gt;", "2 of 3", "no worker has 1 core", "exit status 3", "the last one")
	body := get("/")
	if strings.Count(body, "many lines") > 10 || strings.Index(body, ">d2<") > strings.Index(body, ">d1<") {
		t.Errorf("long outputs are cut, and the newest driver comes first:\n%s", body)
	}
	var got standalone.StateBody
	if err := json.Unmarshal([]byte(get("/api/cluster")), &got); err != nil || !reflect.DeepEqual(got.Workers, state.Workers) || len(got.Drivers) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
}
