// Starts the thread that reads models from its sources, which Node 20 does not run by itself.
import { register } from 'tsx/esm/api'

register()
await import('../builder/source-thread.ts')
