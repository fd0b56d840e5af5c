// Imports run downward only, and packages on one level do not know each other.
const levels = [
  ['core'],
  ['onnx', 'cuda-driver'],
  ['backend-cpu', 'backend-cuda', 'backend-trt', 'preprocess', 'postprocess', 'quantize'],
  ['bench'],
]

/** What each package may import; a test may also import `testing`, which stands on core and onnx. */
const allowed = Object.fromEntries(
  levels.flatMap((level, index) => level.map((name) => [name, levels.slice(0, index).flat()])),
)

/** Tests, and what helps them; neither is published. */
const testCode = '(\\.test\\.ts$|^packages/[^/]+/src/testing/)'

const packageRules = Object.entries(allowed).map(([name, lower]) => ({
  name: `imports-of-${name}`,
  comment: `@lowlat/${name} may import ${lower.join(', ') || 'no other package'}; see the levels above.`,
  severity: 'error',
  from: { path: `^packages/${name}/src/`, pathNot: testCode },
  to: { path: '^packages/', pathNot: [name, ...lower].map((other) => `^packages/${other}/`) },
}))

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      comment: 'Circles make modules impossible to understand one at a time.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    ...packageRules,
    {
      name: 'testing-stands-low',
      severity: 'error',
      from: { path: '^packages/testing/src/' },
      to: { path: '^packages/', pathNot: ['testing', 'core', 'onnx'].map((name) => `^packages/${name}/`) },
    },
    {
      name: 'testing-only-in-tests',
      severity: 'error',
      from: { path: '^packages/(?!testing/)[^/]+/src/', pathNot: testCode },
      to: { path: '^packages/testing/' },
    },
    {
      name: 'test-code-only-in-tests',
      severity: 'error',
      from: { path: '^packages/(?!testing/)[^/]+/src/', pathNot: testCode },
      to: { path: '^packages/(?!testing/)[^/]+/src/testing/' },
    },
    {
      name: 'through-the-index',
      comment: 'Other packages are used through what their index exports.',
      severity: 'error',
      from: { path: '^packages/([^/]+)/' },
      to: { path: '^packages/[^/]+/src/', pathNot: ['^packages/$1/', '^packages/[^/]+/src/index\\.ts$'] },
    },
    {
      name: 'no-unresolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@lowlat/source', 'import', 'node', 'default', 'types'],
    },
  },
}
