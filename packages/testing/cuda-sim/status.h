// CUresult values that the simulator gives or can be told to give, as in the documentation of the driver API.
#pragma once

#define CUDA_SIM_STATUSES(each) \
  each(CUDA_SUCCESS, 0, "no error") \
  each(CUDA_ERROR_INVALID_VALUE, 1, "invalid argument") \
  each(CUDA_ERROR_OUT_OF_MEMORY, 2, "out of memory") \
  each(CUDA_ERROR_NOT_INITIALIZED, 3, "initialization error") \
  each(CUDA_ERROR_DEINITIALIZED, 4, "driver shutting down") \
  each(CUDA_ERROR_STUB_LIBRARY, 34, "CUDA driver is a stub library") \
  each(CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER, 36, "API call is not supported in the installed CUDA driver") \
  each(CUDA_ERROR_DEVICE_UNAVAILABLE, 46, "CUDA-capable device(s) is/are busy or unavailable") \
  each(CUDA_ERROR_NO_DEVICE, 100, "no CUDA-capable device is detected") \
  each(CUDA_ERROR_INVALID_DEVICE, 101, "invalid device ordinal") \
  each(CUDA_ERROR_DEVICE_NOT_LICENSED, 102, "device doesn't have valid Grid license") \
  each(CUDA_ERROR_INVALID_IMAGE, 200, "device kernel image is invalid") \
  each(CUDA_ERROR_INVALID_CONTEXT, 201, "invalid device context") \
  each(CUDA_ERROR_NO_BINARY_FOR_GPU, 209, "no kernel image is available for execution on the device") \
  each(CUDA_ERROR_ECC_UNCORRECTABLE, 214, "uncorrectable ECC error encountered") \
  each(CUDA_ERROR_INVALID_PTX, 218, "a PTX JIT compilation failed") \
  each(CUDA_ERROR_NVLINK_UNCORRECTABLE, 220, "uncorrectable NVLink error detected during the execution") \
  each(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, 222, "the provided PTX was compiled with an unsupported toolchain.") \
  each(CUDA_ERROR_CONTAINED, 226, "contained error") \
  each(CUDA_ERROR_FILE_NOT_FOUND, 301, "file not found") \
  each(CUDA_ERROR_SHARED_OBJECT_INIT_FAILED, 303, "shared object initialization failed") \
  each(CUDA_ERROR_OPERATING_SYSTEM, 304, "OS call failed or operation not supported on this OS") \
  each(CUDA_ERROR_INVALID_HANDLE, 400, "invalid resource handle") \
  each(CUDA_ERROR_ILLEGAL_STATE, 401, "the operation cannot be performed in the present state") \
  each(CUDA_ERROR_NOT_FOUND, 500, "named symbol not found") \
  each(CUDA_ERROR_NOT_READY, 600, "device not ready") \
  each(CUDA_ERROR_ILLEGAL_ADDRESS, 700, "an illegal memory access was encountered") \
  each(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, 701, "too many resources requested for launch") \
  each(CUDA_ERROR_LAUNCH_TIMEOUT, 702, "the launch timed out and was terminated") \
  each(CUDA_ERROR_CONTEXT_IS_DESTROYED, 709, "context is destroyed") \
  each(CUDA_ERROR_ASSERT, 710, "device-side assert triggered") \
  each(CUDA_ERROR_HARDWARE_STACK_ERROR, 714, "hardware stack error") \
  each(CUDA_ERROR_ILLEGAL_INSTRUCTION, 715, "an illegal instruction was encountered") \
  each(CUDA_ERROR_MISALIGNED_ADDRESS, 716, "misaligned address") \
  each(CUDA_ERROR_INVALID_ADDRESS_SPACE, 717, "operation not supported on global/shared address space") \
  each(CUDA_ERROR_INVALID_PC, 718, "invalid program counter") \
  each(CUDA_ERROR_LAUNCH_FAILED, 719, "unspecified launch failure") \
  each(CUDA_ERROR_TENSOR_MEMORY_LEAK, 721, "tensor memory not completely freed") \
  each(CUDA_ERROR_NOT_PERMITTED, 800, "operation not permitted") \
  each(CUDA_ERROR_NOT_SUPPORTED, 801, "operation not supported") \
  each(CUDA_ERROR_SYSTEM_NOT_READY, 802, "system not yet initialized") \
  each(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, 803, "system has unsupported display driver / cuda driver combination") \
  each(CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE, 804, "forward compatibility was attempted on non supported HW") \
  each(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, 900, "operation not permitted when stream is capturing") \
  each(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, 901, "operation failed due to a previous error during capture") \
  each(CUDA_ERROR_STREAM_CAPTURE_MERGE, 902, "operation would result in a merge of separate capture sequences") \
  each(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, 903, "capture was not ended in the same stream as it began") \
  each(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, 904, "capturing stream has unjoined work") \
  each(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, 905, "dependency created on uncaptured work in another stream") \
  each(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, 906, "operation would make the legacy stream depend on a capturing blocking stream") \
  each(CUDA_ERROR_CAPTURED_EVENT, 907, "operation not permitted on an event last recorded in a capturing stream") \
  each(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, 908, "attempt to terminate a thread-local capture sequence from another thread") \
  each(CUDA_ERROR_TIMEOUT, 909, "wait operation timed out") \
  each(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, 910, "the graph update was not performed because it included changes which violated constraints specific to instantiated graph update") \
  each(CUDA_ERROR_UNKNOWN, 999, "unknown error")

enum CUresult : int {
#define CUDA_SIM_VALUE(name, value, text) name = value,
  CUDA_SIM_STATUSES(CUDA_SIM_VALUE)
#undef CUDA_SIM_VALUE
};
