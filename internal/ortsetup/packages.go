package ortsetup

import (
	"fmt"
	"path"
	"runtime"
	"strings"
)

// A pkg is what Install puts into the folder, and where it may come from, the preferred archive first.
type pkg struct{ archives []archive }

func (p pkg) spec() string { return p.archives[0].spec() }

// An archive is a package of a registry that holds shared libraries.
type archive struct {
	client        client
	name, version string
	sha256        string
	megabytes     int    // to download, for the message
	platform      string // pip's name for it
	files         []member
}

// A member is a file of an archive that this platform needs, and the name that it gets. All archives of a pkg leave
// the names of the first one.
type member struct{ path, name string }

// spec is how the client is asked for the package.
func (a archive) spec() string {
	if a.client == pip {
		return a.name + "==" + a.version
	}
	return a.name + "@" + a.version
}

// url is where those find the archive who fetch it by hand.
func (a archive) url() string {
	if a.client == pip {
		return fmt.Sprintf("https://pypi.org/project/%s/%s/#files", a.name, a.version)
	}
	return fmt.Sprintf("https://registry.npmjs.org/%s/-/%s-%s.tgz", a.name, path.Base(a.name), a.version)
}

// runtimePackage is ONNX Runtime itself: as Node.js programs get it, or where there is no npm, from the wheel for
// Python. Both hold the project's official builds; that for Node.js knows WebGPU as well.
func runtimePackage(platform string) (pkg, error) {
	node := archive{
		client: npm, name: "onnxruntime-node", version: Version, megabytes: 112,
		sha256: "cfdfb45ec4044b1fdca43e5d2e180fb6817e649ff8ad1e0dfc90e18e51b67037",
	}
	wheel := archive{client: pip, name: "onnxruntime", version: Version, megabytes: 22}
	const capi = "onnxruntime/capi/"
	goos, arch, _ := strings.Cut(platform, "-")
	folder := "package/bin/napi-v6/" + goos + "/" + arch + "/"
	switch platform {
	case "linux-x64", "linux-arm64":
		wheel.sha256, wheel.platform = "85f8e8406c52658735fe5c7fbfd3ebaa1ed340768324f6252e4274e374580a23", "manylinux_2_28_x86_64"
		if arch == "arm64" {
			wheel.sha256, wheel.platform = "16925ef8497e2c07e4b5ae15b504079b3ab3f65e22c58efd10dde0f3caea969a", "manylinux_2_28_aarch64"
		}
		node.files = []member{{folder + "libonnxruntime.so.1", "libonnxruntime.so.1"}}
		wheel.files = []member{{capi + "libonnxruntime.so." + Version, "libonnxruntime.so.1"}}
	case "darwin-arm64":
		library := "libonnxruntime." + Version + ".dylib"
		wheel.sha256, wheel.platform = "07c5907474dec4a2792fd7626b753dc66707808385a6d9eecf993db0066a9d0f", "macosx_14_0_arm64"
		node.files = []member{{folder + library, library}}
		wheel.files = []member{{capi + library, library}}
	case "win32-x64", "win32-arm64": // the wheel has no DirectML, which the other build needs
		node.files = []member{{folder + "DirectML.dll", "DirectML.dll"}, {folder + "onnxruntime.dll", "onnxruntime.dll"}}
		return pkg{[]archive{node}}, nil
	default:
		return pkg{}, fmt.Errorf("there is no ready-made ONNX Runtime for %s/%s; build it (https://onnxruntime.ai) and set %s to the library's path",
			runtime.GOOS, runtime.GOARCH, EnvLibrary)
	}
	return pkg{[]archive{node, wheel}}, nil
}

// cudaPackage is the CUDA provider built for exactly this version of ONNX Runtime (CUDA 13, cuDNN 9).
func cudaPackage(platform string) (pkg, error) {
	if platform != "linux-x64" {
		return pkg{}, fmt.Errorf("there is no ready-made CUDA provider for %s/%s, only for linux/amd64; install ONNX Runtime %s with CUDA and set %s to its library's path",
			runtime.GOOS, runtime.GOARCH, Version, EnvLibrary)
	}
	const folder, shared, cuda = "package/Plugins/Linux/x64/", "libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"
	return pkg{[]archive{{
		client: npm, name: "com.github.asus4.onnxruntime.linux-x64-gpu", version: "0.4.9", megabytes: 179,
		sha256: "2b459e0c17f340c92970c10ed86de4f37a3009f93c14053e6ad4334cbb6be412",
		files:  []member{{folder + shared, shared}, {folder + cuda, cuda}},
	}}}, nil
}
