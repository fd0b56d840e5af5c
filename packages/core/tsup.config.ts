import { packageConfig } from '../../tsup.base.ts'

// zod is bundled, tree-shaken: loading all of it from a hundred files takes longer than loading a model.
export default packageConfig({ entry: ['src/index.ts'], noExternal: ['zod'] })
