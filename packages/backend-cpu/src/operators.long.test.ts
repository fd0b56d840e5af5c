import { testOperatorCases } from '@lowlat/testing'
import { createBackend } from './backend.ts'

testOperatorCases('cpu', { create: createBackend, backendOptions: { placement: 'inline' } })
