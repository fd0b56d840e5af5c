import { packageConfig } from '../../tsup.base.ts'

// source-thread.js is started by its URL beside index.js.
export default packageConfig({ entry: { index: 'src/index.ts', 'source-thread': 'src/builder/source-thread.ts' } })
