export { createBackend } from './backend.ts'
export type { CpuOptions } from './options.ts'
