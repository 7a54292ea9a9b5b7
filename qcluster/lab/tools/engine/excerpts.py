"""The last words of engines that die while starting, by name: one for each kind of cause in the failure catalogue.

Written after the messages that vllm-ascend's issues and sources show (`diagnose/catalogue.yaml` has their numbers).
"""

from __future__ import annotations

EXCERPTS = {
    "oom": (
        "RuntimeError: NPU out of memory. Tried to allocate 1.19 GiB (NPU 0; 60.97 GiB total capacity; 58.11 GiB "
        "already allocated; 482.00 MiB free)"
    ),
    "zmq": (
        "zmq.error.ZMQError: Address already in use (addr='tcp://127.0.1.1:36000')\n"
        "RuntimeError: KV Cache sending/receiving thread failed to start."
    ),
    "dense-dp": (
        "ValueError: Non-MoE models do not support external data parallel mode. For external load balancing, launch "
        "independent vLLM instances without --data-parallel-* arguments."
    ),
    "kv-conflict": (
        "ValueError: KV transfer 'prefill' config has a conflicting data parallel size. Expected 1, but got 8."
    ),
    "hybrid": (
        "ValueError: Hybrid KV cache manager is disabled but failed to convert the KV cache specs to one unified type."
    ),
    "mooncake": "ModuleNotFoundError: No module named 'mooncake'",
    "transport": ("ImportError: ascend_transport.so: cannot open shared object file: No such file or directory"),
    "transfer-engine": "RuntimeError: TransferEngine initialization failed with ret_value: -1",
    "registration": "RuntimeError: Mooncake memory registration failed.",
    "hccl": (
        "[ERROR] EI0006: Getting socket times out. Reason: Remote Rank did not send the data in time.\n"
        "RuntimeError: createHCCLCommOrigin:build/CMakeFiles/torch_npu HCCL function error: "
        "HcclCommInitRootInfoConfig, error code is 4"
    ),
    "bind": (
        "[ERROR] EI0019: Communication_Error_Bind_IP_Port. Failed to bind the IP port. Reason: The IP address and port "
        "have already been bound."
    ),
    "tls": '[ERROR] Value Disable for config "tls" is invalid. Reason: it must be consistent on all nodes.',
    "streams": "[ERROR] EL0009: Stream resources are insufficient. error code is 207008",
    "memory": (
        "ValueError: Free memory on device (11.2/64.0 GiB) on startup is less than desired GPU memory utilization "
        "(0.95, 60.8 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes."
    ),
    "cache": (
        "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when "
        "initializing the engine."
    ),
    "hal": "ImportError: libascend_hal.so: cannot open shared object file: No such file or directory",
    "soc": (
        "RuntimeError: the socversion Ascend910B1 of bin package does not match the socversion "
        "Ascend910_9391 of the device"
    ),
    "device-busy": "RuntimeError: rtSetDevice(0) failed, error code is 507033. drvErr=87: device is busy",
    "timeout": "TimeoutError: Timed out waiting for engine core processes to start.",
    "health": "RuntimeError: NPU card health status is not OK",
    "unknown": "RuntimeError: something that no catalogue knows went wrong in layer 17",
}
