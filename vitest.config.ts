import { defineConfig } from 'vitest/config'

// Workspace imports resolve to `src`, so that no build is needed to run a test.
const conditions = ['@lowlat/source', 'node', 'import', 'module', 'default']

/** Long suites (whole models, long fuzzing) are `*.long.test.ts`; they have a configuration of their own. */
export function suite(kind: 'unit' | 'long') {
  const pattern = kind === 'unit' ? '*.test.ts' : '*.long.test.ts'
  return defineConfig({
    resolve: { conditions },
    ssr: { resolve: { conditions, externalConditions: conditions } },
    test: {
      include: [`packages/*/src/**/${pattern}`, `examples/**/${pattern}`],
      exclude: ['**/node_modules/**', '**/dist/**', ...(kind === 'unit' ? ['**/*.long.test.ts'] : [])],
      testTimeout: kind === 'unit' ? 30_000 : 600_000,
      hookTimeout: kind === 'unit' ? 60_000 : 600_000,
      maxWorkers: 2,
      passWithNoTests: false,
    },
  })
}

export default suite('unit')
