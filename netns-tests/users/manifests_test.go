package users

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// manifests are the objects of a file.
type manifests struct {
	configs  map[string]corev1.ConfigMap
	services []corev1.Service
	pods     []corev1.PodTemplateSpec // those of Pods and of Deployments
}

// readManifests reads a file as the API server would, with no field unknown or repeated.
func readManifests(t *testing.T, file string) manifests {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := manifests{configs: make(map[string]corev1.ConfigMap)}
	strict := func(text []byte, into any) {
		t.Helper()
		if err := yaml.UnmarshalStrict(text, into); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	for _, object := range bytes.Split(text, []byte("\n---\n")) {
		var kind struct{ APIVersion, Kind string }
		if err := yaml.Unmarshal(object, &kind); err != nil {
			t.Fatal(err)
		}
		switch kind.APIVersion + " " + kind.Kind {
		case "v1 ConfigMap":
			var c corev1.ConfigMap
			strict(object, &c)
			m.configs[c.Name] = c
		case "v1 Service":
			var s corev1.Service
			strict(object, &s)
			m.services = append(m.services, s)
		case "v1 Pod":
			var p corev1.Pod
			strict(object, &p)
			m.pods = append(m.pods, corev1.PodTemplateSpec{ObjectMeta: p.ObjectMeta, Spec: p.Spec})
		case "apps/v1 Deployment":
			var d appsv1.Deployment
			strict(object, &d)
			for name, value := range d.Spec.Selector.MatchLabels {
				if d.Spec.Template.Labels[name] != value {
					t.Errorf("%s: Deployment %s does not select its pods", file, d.Name)
				}
			}
			m.pods = append(m.pods, d.Spec.Template)
		default:
			t.Errorf("%s: %v", file, kind)
		}
	}
	return m
}

// TestTunnelManifests reads the manifests of sctp-tunnel, and sees that their parts fit together.
// That the configurations in them have no fault, cmd/sctp-tunnel tests.
func TestTunnelManifests(t *testing.T) {
	files, err := filepath.Glob("../../cmd/sctp-tunnel/deploy/kubernetes/*.yaml")
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		m := readManifests(t, file)
		if len(m.services) == 0 || len(m.pods) == 0 {
			t.Fatalf("%s: %d services, %d pods", file, len(m.services), len(m.pods))
		}
		for _, pod := range m.pods {
			checkSidecar(t, file, &pod, m.configs)
		}
		for _, s := range m.services {
			checkService(t, file, &s, m.pods)
		}
	}
}

// checkSidecar looks at the tunnel in a pod.
func checkSidecar(t *testing.T, file string, pod *corev1.PodTemplateSpec,
	configs map[string]corev1.ConfigMap) {
	t.Helper()
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf(file+": "+format, args...)
	}
	spec := &pod.Spec
	if len(spec.InitContainers) != 1 || len(spec.Containers) != 1 {
		t.Fatalf("%s: a sidecar and a daemon are meant", file)
	}
	c := &spec.InitContainers[0]
	if c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways {
		fail("%s is no sidecar", c.Name)
	}
	s := c.SecurityContext
	if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.ReadOnlyRootFilesystem == nil ||
		!*s.ReadOnlyRootFilesystem ||
		s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.Capabilities == nil ||
		!slices.Contains(s.Capabilities.Drop, "ALL") || len(s.Capabilities.Add) > 0 {
		fail("%s has privileges that it does not need", c.Name)
	}
	if p := spec.SecurityContext; p == nil || p.FSGroup == nil || s != nil && s.RunAsUser != nil &&
		*p.FSGroup != *s.RunAsUser {
		fail("the keys are not readable for %s", c.Name)
	}
	mounted := make(map[string]string) // where each volume is
	for _, v := range c.VolumeMounts {
		mounted[v.Name] = v.MountPath
		if !v.ReadOnly {
			fail("volume %s can be written", v.Name)
		}
	}
	config := ""
	for _, v := range spec.Volumes {
		path := mounted[v.Name]
		delete(mounted, v.Name)
		switch {
		case path == "":
			fail("volume %s is mounted nowhere", v.Name)
		case v.ConfigMap != nil:
			config = configs[v.ConfigMap.Name].Data["sctp-tunnel.toml"]
		case v.Secret != nil:
			if mode := v.Secret.DefaultMode; mode == nil || *mode&0o007 != 0 {
				fail("all may read the keys of %s", v.Name)
			}
			if !strings.Contains(config, `key = "`+path+`/tls.key"`) {
				fail("the configuration does not name the key in %s", path)
			}
		}
	}
	for name := range mounted {
		fail("there is no volume %s", name)
	}
	checkPorts(t, file, c, config)
}

// checkPorts wants the ports of a container to be those of its configuration.
func checkPorts(t *testing.T, file string, c *corev1.Container, config string) {
	t.Helper()
	for _, p := range c.Ports {
		key, protocol := "listen", corev1.ProtocolSCTP
		if p.Name == "status" {
			key, protocol = "status", ""
		}
		if p.Protocol != protocol {
			t.Errorf("%s: port %s is of %q", file, p.Name, p.Protocol)
		}
		if want := key + ` = ":` + strconv.Itoa(int(p.ContainerPort)) + `"`; !strings.Contains(config,
			want) {
			t.Errorf("%s: port %s: %s is not in the configuration", file, p.Name, want)
		}
	}
	for _, probe := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if probe != nil && (probe.HTTPGet == nil || probe.HTTPGet.Port.StrVal != "status" ||
			probe.HTTPGet.Path != "/healthz" && probe.HTTPGet.Path != "/readyz") {
			t.Errorf("%s: a probe asks %+v", file, probe.HTTPGet)
		}
	}
	if c.LivenessProbe == nil || c.ReadinessProbe == nil {
		t.Errorf("%s: a probe is missing", file)
	}
}

// checkService wants a service to reach a port of the tunnel of one of the pods.
func checkService(t *testing.T, file string, s *corev1.Service, pods []corev1.PodTemplateSpec) {
	t.Helper()
	selected := 0
	for _, pod := range pods {
		if pod.Labels["app"] != s.Spec.Selector["app"] {
			continue
		}
		selected++
		for _, port := range s.Spec.Ports {
			if port.Protocol != corev1.ProtocolSCTP {
				t.Errorf("%s: port %s is not SCTP's", file, port.Name)
			}
			if !slices.ContainsFunc(pod.Spec.InitContainers[0].Ports, func(p corev1.ContainerPort) bool {
				return p.Name == port.TargetPort.StrVal && p.Protocol == port.Protocol
			}) {
				t.Errorf("%s: service %s sends to port %q, which the tunnel lacks", file, s.Name,
					port.TargetPort.StrVal)
			}
		}
	}
	if selected != 1 || len(s.Spec.Selector) != 1 || len(s.Spec.Ports) == 0 {
		t.Errorf("%s: service %s selects %d pods", file, s.Name, selected)
	}
}
