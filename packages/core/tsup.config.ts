import { packageConfig } from '../../tsup.base.ts'

// zod, a devDependency, is bundled: what is used of it loads from one file instead of a hundred.
export default packageConfig({ entry: ['src/index.ts'] })
