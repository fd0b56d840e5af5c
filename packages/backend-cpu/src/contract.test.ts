import { testBackend } from '@lowlat/testing'
import { createBackend } from './backend.ts'

const inline: Record<string, string> = {
  'leaves the event loop free while many requests run':
    'placement inline runs in the calling thread, which is what it is for',
}
if ('Float16Array' in globalThis) {
  inline['returns float16 as it came'] = 'onnxruntime-node cannot read float16 in a thread that has a Float16Array'
}

testBackend('cpu, placement auto', { create: createBackend })
testBackend('cpu, for throughput', { create: createBackend, backendOptions: { mode: 'throughput' } })
testBackend('cpu, inline', { create: createBackend, backendOptions: { placement: 'inline' }, exclude: inline })
