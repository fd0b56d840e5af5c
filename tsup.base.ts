import { defineConfig, type Options } from 'tsup'

/** One build for every package: ESM for the oldest supported Node, declarations unless only JavaScript is asked for. */
export function packageConfig(
  options: Options & { entry: NonNullable<Options['entry']> },
): ReturnType<typeof defineConfig> {
  const declarations = !process.argv.includes('--no-dts')
  return defineConfig({
    format: 'esm',
    target: 'node20.9',
    platform: 'node',
    sourcemap: true,
    clean: true,
    splitting: true,
    dts: declarations ? { compilerOptions: { customConditions: [] } } : false,
    ...options,
  })
}
