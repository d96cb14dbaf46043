"""What is fetched for other CPUs, by version: the one place where those numbers stand."""

from __future__ import annotations

#: npm package -> version
NPM = {"onnxruntime-web": "1.30.0", "@litertjs/core": "2.5.3"}

#: PyPI package -> version of its aarch64 wheel where this environment has none of its own
WHEELS = {
    "numpy": "2.4.6",
    "onnxruntime": "1.32.0",
    "ai-edge-litert": "2.3.0",
    "flatbuffers": "25.12.19",
    "protobuf": "7.36.2",
}

#: glibc tags that those wheels are built for, newest first
WHEEL_TAGS = tuple(f"manylinux{v}_aarch64" for v in ("_2_28", "_2_27", "_2_17", "2014"))

#: Debian packages of the arm64 root: Python of the release, and what the wheels link
ARM_PACKAGES = ("python3-minimal", "libpython3-stdlib", "libstdc++6", "libgomp1", "zlib1g")

#: Debian packages that hold qemu's user emulation as programs that need no library; the first that
#: does is taken (the older name is an empty one in newer releases)
QEMU_PACKAGES = ("qemu-user-static", "qemu-user")
