import { testBackend } from '@lowlat/testing'
import { createBackend } from './backend.ts'

const inline = {
  'leaves the event loop free while many requests run':
    'placement inline runs in the calling thread, which is what it is for',
}

testBackend('cpu, placement auto', { create: createBackend })
testBackend('cpu, for throughput', { create: createBackend, backendOptions: { mode: 'throughput' } })
testBackend('cpu, inline', { create: createBackend, backendOptions: { placement: 'inline' }, exclude: inline })
