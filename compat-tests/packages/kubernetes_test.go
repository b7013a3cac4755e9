package packages

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.yaml.in/yaml/v3"
	"golang.org/x/sys/unix"

	"klamm/compat-tests/harness"
)

// object is what the tests read of an object of Kubernetes.
type object struct {
	Kind     string
	Metadata struct {
		Name   string
		Labels map[string]string
	}
	Spec struct {
		ClusterIP            string `yaml:"clusterIP"`
		ServiceName          string `yaml:"serviceName"`
		Replicas             int
		Ordinals             struct{ Start int }
		Ports                []port
		Template             struct{ Metadata, Spec template }
		VolumeClaimTemplates []object `yaml:"volumeClaimTemplates"`
	}
}

type port struct {
	Name          string
	Port          int
	ContainerPort int `yaml:"containerPort"`
}

type template struct {
	Labels          map[string]string
	SecurityContext struct {
		RunAsUser uint32 `yaml:"runAsUser"`
	} `yaml:"securityContext"`
	EnableServiceLinks *bool `yaml:"enableServiceLinks"`
	Containers         []containerSpec
	Volumes            []struct{ Name string }
}

type containerSpec struct {
	Image string
	Env   []struct {
		Name, Value string
		ValueFrom   struct {
			FieldRef struct {
				FieldPath string `yaml:"fieldPath"`
			} `yaml:"fieldRef"`
		} `yaml:"valueFrom"`
	}
	Ports           []port
	SecurityContext struct {
		ReadOnlyRootFilesystem bool `yaml:"readOnlyRootFilesystem"`
	} `yaml:"securityContext"`
	VolumeMounts []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
	ReadinessProbe *probe `yaml:"readinessProbe"`
	LivenessProbe  *probe `yaml:"livenessProbe"`
}

type probe struct{ Exec struct{ Command []string } }

// manifests reads the objects of a file.
func manifests(t *testing.T, file string) (all []object) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(harness.Root(), "deploy", "kubernetes", file))
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var o object
		err := decoder.Decode(&o)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, o)
	}
}

// find gives the object of a kind with a name.
func find(t *testing.T, all []object, kind, name string) *object {
	t.Helper()
	i := slices.IndexFunc(all, func(o object) bool { return o.Kind == kind && o.Metadata.Name == name })
	if i < 0 {
		t.Fatalf("there is no %s %s", kind, name)
	}
	return &all[i]
}

// env gives the environment of a pod of a StatefulSet, as Kubernetes makes it.
func (o *object) env(t *testing.T, index int) map[string]string {
	t.Helper()
	fields := map[string]string{"metadata.name": fmt.Sprintf("%s-%d", o.Metadata.Name, index), "metadata.namespace": "shop",
		"metadata.labels['apps.kubernetes.io/pod-index']": fmt.Sprint(index)}
	env := map[string]string{}
	for _, v := range o.Spec.Template.Spec.Containers[0].Env {
		value := v.Value
		if path := v.ValueFrom.FieldRef.FieldPath; path != "" {
			if value = fields[path]; value == "" {
				t.Fatalf("%s comes from %s, which no pod has", v.Name, path)
			}
		}
		for name, known := range env { // those that stand before it
			value = strings.ReplaceAll(value, "$("+name+")", known)
		}
		if strings.Contains(value, "$(") {
			t.Errorf("%s=%s names a variable that does not stand before it", v.Name, value)
		}
		env[v.Name] = value
	}
	return env
}

// pods gives the environments of all pods of a StatefulSet, by their names.
func (o *object) pods(t *testing.T) map[string]map[string]string {
	t.Helper()
	pods := map[string]map[string]string{}
	for i := range o.Spec.Replicas {
		index := o.Spec.Ordinals.Start + i
		pods[fmt.Sprintf("%s-%d", o.Metadata.Name, index)] = o.env(t, index)
	}
	return pods
}

// TestTheExamplesForKubernetes gives each broker of the examples the environment that Kubernetes would give it, and compares what klamm makes of it with
// the other objects of the file.
func TestTheExamplesForKubernetes(t *testing.T) {
	for file, brokers := range map[string]int{"one-broker.yaml": 1, "three-brokers.yaml": 3} {
		t.Run(file, func(t *testing.T) {
			all := manifests(t, file)
			set := find(t, all, "StatefulSet", "klamm")
			service := find(t, all, "Service", set.Spec.ServiceName)
			pod := set.Spec.Template.Spec
			if set.Spec.Replicas != brokers || pod.SecurityContext.RunAsUser != 1000 || pod.EnableServiceLinks == nil || *pod.EnableServiceLinks || service.Spec.ClusterIP != "None" {
				t.Errorf("%d brokers as user %d, of service %+v", set.Spec.Replicas, pod.SecurityContext.RunAsUser, service.Spec)
			}
			var ids []string
			for name, env := range set.pods(t) {
				properties := printed(t, environ(env))
				host := fmt.Sprintf("PLAINTEXT://%s.%s.shop.svc.cluster.local:%d", name, set.Spec.ServiceName, service.Spec.Ports[0].Port)
				if properties["advertised.listeners"] != host || properties["broker.id"] != strings.TrimPrefix(name, "klamm-") {
					t.Errorf("%s starts as broker %s at %s, want %s", name, properties["broker.id"], properties["advertised.listeners"], host)
				}
				ids = append(ids, properties["broker.id"])
				checkVolumes(t, set, properties["log.dirs"])
				checkZooKeeper(t, all, properties["zookeeper.connect"], brokers > 1)
				checkConfiguration(t, properties)
			}
			slices.Sort(ids)
			if len(slices.Compact(ids)) != brokers {
				t.Errorf("the ids are %q", ids)
			}
		})
	}
}

func environ(env map[string]string) (list []string) {
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	return list
}

// checkVolumes holds that the data is below a mount of a claim, and that each mount has a volume.
func checkVolumes(t *testing.T, set *object, dir string) {
	t.Helper()
	claims := map[string]bool{}
	for _, v := range set.Spec.VolumeClaimTemplates {
		claims[v.Metadata.Name] = true
	}
	volumes := maps.Clone(claims)
	for _, v := range set.Spec.Template.Spec.Volumes {
		volumes[v.Name] = true
	}
	kept := false
	for _, m := range set.Spec.Template.Spec.Containers[0].VolumeMounts {
		kept = kept || claims[m.Name] && strings.HasPrefix(dir, m.MountPath+"/")
		if !volumes[m.Name] {
			t.Errorf("%s is mounted from %s, which is no volume", m.MountPath, m.Name)
		}
	}
	if !kept {
		t.Errorf("log.dirs=%s is on no claim: the data would go with the pod", dir)
	}
}

// checkZooKeeper holds that a broker connects to the servers of the file, which know each other.
func checkZooKeeper(t *testing.T, all []object, connect string, wanted bool) {
	t.Helper()
	if !wanted {
		if connect != "" {
			t.Errorf("a broker alone has zookeeper.connect=%s", connect)
		}
		return
	}
	set := find(t, all, "StatefulSet", "zookeeper")
	var want, servers []string
	for name, env := range set.pods(t) {
		want = append(want, name+".zookeeper:2181")
		servers = append(servers, fmt.Sprintf("server.%s=%s.zookeeper:2888:3888;2181", env["ZOO_MY_ID"], name))
	}
	slices.Sort(want)
	slices.Sort(servers)
	got, _, _ := strings.Cut(connect, "/")
	if !slices.Equal(strings.Split(got, ","), want) {
		t.Errorf("zookeeper.connect=%s, and the servers are %q", connect, want)
	}
	for name, env := range set.pods(t) {
		if !slices.Equal(strings.Fields(env["ZOO_SERVERS"]), servers) {
			t.Errorf("%s has ZOO_SERVERS=%s, want %q", name, env["ZOO_SERVERS"], servers)
		}
	}
}

// checkConfiguration has klamm check the properties.
func checkConfiguration(t *testing.T, properties map[string]string) {
	t.Helper()
	var text strings.Builder
	for name, value := range properties {
		if !strings.HasPrefix(name, "transaction.") {
			fmt.Fprintf(&text, "%s=%s\n", name, value)
		}
	}
	file := filepath.Join(t.TempDir(), "server.properties")
	writeFile(t, file, text.String())
	binary, err := harness.KlammBinary()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(binary, "config", "check", file).CombinedOutput(); err != nil {
		t.Errorf("klamm config check: %v\n%s", err, out)
	}
}

// TestABrokerOfKubernetes starts the image with the environment of the example, on a root that is read-only but for the mounts of the example.
func TestABrokerOfKubernetes(t *testing.T) {
	set := find(t, manifests(t, "one-broker.yaml"), "StatefulSet", "klamm")
	c := set.Spec.Template.Spec.Containers[0]
	if !c.SecurityContext.ReadOnlyRootFilesystem {
		t.Fatal("the root is not read-only")
	}
	j, image := container(t)
	j.mount(j.root, "", "", unix.MS_BIND|unix.MS_REC, "")
	for _, m := range c.VolumeMounts {
		j.mount("tmpfs", m.MountPath, "tmpfs", 0, "mode=1777")
	}
	if err := unix.Mount("", j.root, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	alive := func(p *probe) bool {
		if p == nil || len(p.Exec.Command) == 0 {
			t.Fatal("the broker has no probe of liveness, or none of readiness")
		}
		return j.command(user{1000, 0}, nil, "/bin/"+p.Exec.Command[0], p.Exec.Command[1:]...).Run() == nil
	}
	env := set.env(t, 0)
	if alive(c.LivenessProbe) || alive(c.ReadinessProbe) {
		t.Fatal("a probe finds a broker that does not run")
	}
	p, said := j.start(t, image, environ(env))
	said.await(t, waitedFor(0)...)
	resp, err := harness.Client(t, "127.0.0.1:9092").SeedBrokers()[0].Request(harness.Context(t), kmsg.NewPtrMetadataRequest())
	if err != nil {
		t.Fatal(err)
	}
	if b := resp.(*kmsg.MetadataResponse).Brokers; len(b) != 1 || b[0].Host != "klamm-0.klamm.shop.svc.cluster.local" {
		t.Errorf("clients are sent to %+v", b)
	}
	if !alive(c.LivenessProbe) {
		t.Error("the probe of liveness fails while the broker runs")
	}
	harness.Await(t, "the broker to be ready", func() bool { return alive(c.ReadinessProbe) })
	p.Stop()
}
