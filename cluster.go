package millrace

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/millrace-engine/millrace/exec/cluster"
	"github.com/millrace-engine/millrace/exec/cluster/process"
	"github.com/millrace-engine/millrace/exec/cluster/standalone"
	"github.com/millrace-engine/millrace/exec/cluster/standalone/application"
	"github.com/millrace-engine/millrace/exec/driver"
	"github.com/millrace-engine/millrace/internal/identity"
	"github.com/millrace-engine/millrace/internal/settings"
	"github.com/millrace-engine/millrace/shuffle"
)

// register asks a standalone cluster's master for executors and waits until there
// are some.
func (s *Session) register(ctx context.Context, begin int, tracker *shuffle.Tracker, results *driver.Results, limit int64, waiting func(string)) (cluster.Backend, error) {
	get := func(key string) string { return s.conf.Get(key).Text }
	self, err := standalone.Load(settings.TokenFile(get(settings.ClusterToken)), identity.Client, "client-"+strings.ToLower(rand.Text()[:12]))
	if err != nil {
		return nil, err
	}
	host := get(settings.ClusterHost)
	if host == "" {
		if host, err = standalone.HostTowards(s.place.Cluster); err != nil {
			return nil, err
		}
	}
	schemes := get(settings.Transport)
	if schemes == "local" {
		schemes = "local,quic,tcp"
	}
	var binary func(cluster.Sharing) (*process.Binary, error)
	if program.functions.Fingerprint() != "" {
		binary = s.binary
	}
	return application.Start(ctx, application.Config{
		ArtifactDir: get(settings.ArtifactDir), ArtifactLimit: s.conf.Size(settings.ArtifactLimit), Binary: binary,
		Cluster: standalone.Control(self), Master: standalone.MasterAt(self, s.place.Cluster), Name: get(settings.AppName),
		Executors: begin, Size: standalone.Size{Cores: s.conf.Int(settings.ExecutorCores), Memory: s.conf.Size(settings.ExecutorMemory)},
		Schemes: schemes, Host: host, SpillLimit: limit, Fetch: fetchLimits(s.conf), Keep: get(settings.ShuffleKeep), CachePolicy: get(settings.CachePolicy), CacheFront: get(settings.CacheFront), Wait: s.conf.Duration(settings.ClusterWait), Waiting: waiting,
		Results: results, Outputs: tracker, Functions: &s.libraries, Fingerprint: program.functions.Fingerprint(),
	})
}
