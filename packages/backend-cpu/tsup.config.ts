import { packageConfig } from '../../tsup.base.ts'

// worker.js is started by its URL beside index.js.
export default packageConfig({ entry: ['src/index.ts', 'src/worker.js'] })
