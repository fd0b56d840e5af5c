import { fileURLToPath } from 'node:url'

/** This package, whether its sources or what is built from them run. */
export const packageFolder = fileURLToPath(new URL('..', import.meta.url))
