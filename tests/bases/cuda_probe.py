"""Run in a container of the base ``cuda``: what loads there, and a kernel compiled, as JSON."""

import ctypes
import ctypes.util
import json
import os

KERNEL = b'extern "C" __global__ void twice(float *x) { x[threadIdx.x] *= 2; }'
found = ctypes.util.find_library("cublas")
loaded = {name: ctypes.CDLL(name) for name in json.loads(os.environ["NAMES"])}
version, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
loaded["libcudart.so.12"].cudaRuntimeGetVersion(ctypes.byref(version))
nvrtc = loaded["libnvrtc.so.12"]
nvrtc.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
program, size = ctypes.c_void_p(), ctypes.c_size_t()
nvrtc.nvrtcCreateProgram(ctypes.byref(program), KERNEL, b"k.cu", 0, None, None)
assert nvrtc.nvrtcCompileProgram(program, 0, None) == 0
nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size))
text = ctypes.create_string_buffer(size.value)
nvrtc.nvrtcGetPTX(program, text)
print(
    json.dumps(
        {
            "found": found,
            "runtime": version.value,
            "compiler": major.value,
            "kernel": text.value.decode(),
            "settings": {name: value for name, value in os.environ.items() if "NVIDIA" in name},
        }
    )
)
