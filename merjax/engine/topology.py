"""Devices that are not here, as JAX's compilers know them: programs can be compiled for one, and cannot run."""

from typing import Any

import jax
from jax.experimental import topologies

from merjax.system.accelerators import Accelerator, GpuChip
from merjax.system.environment import HERE
from merjax.system.errors import MerjaxError, first_line

# Without these, the CUDA plugin wants a driver; libtpu asks the network which TPU this machine belongs to, and lets no other
# process on it load libtpu
_WITHOUT_DEVICE = {
    "gpu": {"JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1"},
    "tpu": {"TPU_SKIP_MDS_QUERY": "1", "TPU_WORKER_HOSTNAMES": "localhost", "ALLOW_MULTIPLE_LIBTPU_LOAD": "1"},
}
_EXTRA = {"gpu": "cuda", "tpu": "tpu"}  # of merjax, which brings a platform's compiler


def allow_absent(accelerator: Accelerator) -> None:
    """Let JAX load the compiler for a device that is not here. It must come before JAX looks for devices, which it does
    once."""
    for name, value in _WITHOUT_DEVICE[accelerator.platform].items():
        HERE.setdefault(name, value)


class NoCompilerError(MerjaxError):
    """The compiler for a device is not installed, or does not load."""


def absent_device(accelerator: Accelerator) -> jax.Device:
    """One device of this kind, to compile for.

    Raises:
        NoCompilerError: there is no compiler for it here; the message says how to get one.
    """
    try:
        return topologies.get_topology_desc(**_description(accelerator)).devices[0]
    except Exception as error:  # of many kinds, by platform and plugin
        extra = _EXTRA[accelerator.platform]
        raise NoCompilerError(
            f"the compiler for {accelerator.title} does not load ({first_line(error)}); pip install 'merjax[{extra}]'"
        ) from error


def _description(accelerator: Accelerator) -> dict[str, Any]:
    """The arguments under which JAX describes a device."""
    if isinstance(accelerator.chip, str):
        return {"topology_name": accelerator.chip, "platform": "tpu"}
    target = target_config(accelerator, accelerator.chip)
    return {
        "topology_name": accelerator.name,
        "platform": "cuda",
        "target_config": target,
        "topology": "1x1x1",
    }


def target_config(accelerator: Accelerator, chip: GpuChip) -> str:
    """The text of XLA's GpuTargetConfigProto. Kernels are not tuned for a device that is not here, so its versions of driver
    and libraries hardly matter."""
    major, minor = chip.compute_capability
    # Hopper's products of whole warp groups belong to its own instruction set
    features = " feature_extension: ACCELERATED_FEATURES" if major >= 9 else ""
    return f"""\
gpu_device_info {{
  cuda_compute_capability {{ major: {major} minor: {minor}{features} }}
  name: "{accelerator.title}"
  core_count: {chip.multiprocessors}
  fpus_per_core: {chip.lanes}
  clock_rate_ghz: {chip.clock_ghz}
  threads_per_warp: 32
  threads_per_block_limit: 1024
  threads_per_core_limit: {1536 if (major, minor) == (8, 9) else 2048}
  thread_dim_limit_x: 1024
  thread_dim_limit_y: 1024
  thread_dim_limit_z: 64
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
  shared_memory_per_block: {48 * 1024}
  shared_memory_per_block_optin: {chip.block_bytes}
  shared_memory_per_core: {chip.shared_bytes}
  l2_cache_size: {chip.l2_bytes}
  memory_bandwidth: {round(accelerator.bandwidth)}
  device_memory_size: {round(accelerator.memory)}
  runtime_version: "12.9.0"
  driver_version: "12.9.0"
  compile_time_toolkit_version: "12.9.0"
  dnn_version: "9.8.0"
}}
platform_name: "CUDA"
"""
