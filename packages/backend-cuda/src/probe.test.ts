import { fileURLToPath } from 'node:url'
import { testProbeWithoutDriver } from '@lowlat/testing'

testProbeWithoutDriver(fileURLToPath(new URL('..', import.meta.url)))
