package ortsetup

import (
	"fmt"
	"path"
	"runtime"
	"strings"
)

// pkg is an npm package that holds shared libraries.
type pkg struct {
	name, version string
	sha256        string // of the tarball
	megabytes     int    // to download, for the message
	// files are the paths in the tarball that this platform needs; the last one installed is the one
	// whose presence means that all are there.
	files []string
}

func (p pkg) spec() string { return p.name + "@" + p.version }

// url is where the registry keeps the tarball, for those who fetch it by hand.
func (p pkg) url() string {
	return fmt.Sprintf("https://registry.npmjs.org/%s/-/%s-%s.tgz", p.name, path.Base(p.name), p.version)
}

// runtimePackage is ONNX Runtime itself, as Node.js programs get it. Its libraries are the official
// builds; the .node files beside them are left out.
func runtimePackage(platform string) (pkg, error) {
	p := pkg{
		name: "onnxruntime-node", version: Version, megabytes: 112,
		sha256: "cfdfb45ec4044b1fdca43e5d2e180fb6817e649ff8ad1e0dfc90e18e51b67037",
	}
	goos, arch, _ := strings.Cut(platform, "-")
	folder := "package/bin/napi-v6/" + goos + "/" + arch + "/"
	switch platform {
	case "linux-x64", "linux-arm64":
		p.files = []string{folder + "libonnxruntime.so.1"}
	case "darwin-arm64":
		p.files = []string{folder + "libonnxruntime." + Version + ".dylib"}
	case "win32-x64", "win32-arm64":
		p.files = []string{folder + "DirectML.dll", folder + "onnxruntime.dll"}
	default:
		return pkg{}, fmt.Errorf("there is no ready-made ONNX Runtime for %s/%s; build it (https://onnxruntime.ai) and set %s to the library's path",
			runtime.GOOS, runtime.GOARCH, EnvLibrary)
	}
	return p, nil
}

// cudaPackage is the CUDA provider built for exactly this version of ONNX Runtime (CUDA 13, cuDNN 9).
func cudaPackage(platform string) (pkg, error) {
	if platform != "linux-x64" {
		return pkg{}, fmt.Errorf("there is no ready-made CUDA provider for %s/%s, only for linux/amd64; install ONNX Runtime %s with CUDA and set %s to its library's path",
			runtime.GOOS, runtime.GOARCH, Version, EnvLibrary)
	}
	const folder = "package/Plugins/Linux/x64/"
	return pkg{
		name: "com.github.asus4.onnxruntime.linux-x64-gpu", version: "0.4.9", megabytes: 179,
		sha256: "2b459e0c17f340c92970c10ed86de4f37a3009f93c14053e6ad4334cbb6be412",
		files:  []string{folder + "libonnxruntime_providers_shared.so", folder + "libonnxruntime_providers_cuda.so"},
	}, nil
}
