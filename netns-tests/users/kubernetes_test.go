package users

import (
	"bytes"
	"os"
	"regexp"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// TestKubernetes reads the manifest in docs/operating.md as the API server would, with no field
// unknown or repeated, and sees that its parts fit together.
func TestKubernetes(t *testing.T) {
	doc, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindAllSubmatch(doc, -1)
	if len(m) != 1 {
		t.Fatalf("%d blocks of YAML", len(m))
	}
	objects := bytes.Split(m[0][1], []byte("---\n"))
	if len(objects) != 2 {
		t.Fatalf("%d objects, not a Service and a Pod", len(objects))
	}
	var service corev1.Service
	var pod corev1.Pod
	for i, into := range []any{&service, &pod} {
		if err := yaml.UnmarshalStrict(objects[i], into); err != nil {
			t.Fatal(err)
		}
	}
	if service.Kind != "Service" || pod.Kind != "Pod" {
		t.Fatalf("%s and %s, not a Service and a Pod", service.Kind, pod.Kind)
	}
	for name, value := range service.Spec.Selector {
		if pod.Labels[name] != value {
			t.Errorf("the Service does not select the Pod: %s is %q, not %q", name, pod.Labels[name], value)
		}
	}
	ports, container := service.Spec.Ports, pod.Spec.Containers[0].Ports
	if len(ports) != 1 || len(container) != 1 {
		t.Fatalf("%v and %v: one port is meant", ports, container)
	}
	if ports[0].Protocol != corev1.ProtocolSCTP || container[0].Protocol != corev1.ProtocolSCTP {
		t.Error("a port without “protocol: SCTP” is TCP's")
	}
	if ports[0].TargetPort.IntVal != container[0].ContainerPort {
		t.Errorf("the Service sends to port %v, the container has %d", ports[0].TargetPort,
			container[0].ContainerPort)
	}
	if s := pod.Spec.SecurityContext.Sysctls; len(s) != 1 || s[0].Name != "net.sctp.auth_enable" ||
		s[0].Value != "1" {
		t.Errorf("sysctls are %v", s)
	}
}
