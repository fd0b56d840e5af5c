import { integerKnob, stringKnob } from '@lowlat/core'

export const libraryKnob = stringKnob({
  name: 'LOWLAT_CUDA_DRIVER_LIB',
  description: "CUDA: name or path of NVIDIA's driver library.",
  default: process.platform === 'win32' ? 'nvcuda.dll' : 'libcuda.so.1',
})

export const pollKnob = integerKnob({
  name: 'LOWLAT_CUDA_POLL_US',
  description:
    'CUDA: how many microseconds a run is waited for by looking at every turn of the event loop, which answers soonest and keeps a core busy; then a thread waits.',
  default: 1000,
  min: 0,
})
