"""Names of number formats.

Takes what torch, NCCL or a kernel's name says, gives a key of schema.DTYPE_BYTES or "".
"""

from __future__ import annotations

from commscope.schema import DTYPE_BYTES

_SPOKEN = {
    "double": "float64",
    "f64": "float64",
    "float": "float32",
    "f32": "float32",
    "single": "float32",
    "half": "float16",
    "f16": "float16",
    "fp16": "float16",
    "fp32": "float32",
    "fp64": "float64",
    "bf16": "bfloat16",
    "f8e4m3": "float8_e4m3fn",
    "f8e5m2": "float8_e5m2",
    "fp8_e4m3": "float8_e4m3fn",
    "fp8_e5m2": "float8_e5m2",
    "__nv_fp8_e4m3": "float8_e4m3fn",
    "__nv_fp8_e5m2": "float8_e5m2",
    "__nv_bfloat16": "bfloat16",
    "__half": "float16",
    "hip_bfloat16": "bfloat16",
    "rccl_float8": "float8_e4m3fnuz",
    "rccl_bfloat8": "float8_e5m2fnuz",
    "long": "int64",
    "long int": "int64",
    "long long": "int64",
    "int": "int32",
    "short": "int16",
    "short int": "int16",
    "char": "int8",
    "signed char": "int8",
    "byte": "uint8",
    "unsigned char": "uint8",
    "i64": "int64",
    "i32": "int32",
    "i8": "int8",
    "u64": "uint64",
    "u32": "uint32",
    "u8": "uint8",
    "int8_t": "int8",
    "uint8_t": "uint8",
    "int32_t": "int32",
    "uint32_t": "uint32",
    "int64_t": "int64",
    "uint64_t": "uint64",
    "boolean": "bool",
    "complexfloat": "complex64",
    "complexdouble": "complex128",
    "complex<float>": "complex64",
    "complex<double>": "complex128",
}


def canonical_dtype(spoken: str) -> str:
    """`c10::Half`, `float`, `f16`, `Float8_e4m3fn`, `torch.bfloat16` as a key of DTYPE_BYTES, else ""."""
    name = spoken.strip().removeprefix("torch.").removeprefix("at::").removeprefix("c10::").lower()
    if name in DTYPE_BYTES:
        return name
    return _SPOKEN.get(name, "")
