import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { compilerVersion, parseResources } from '../../scripts/build-kernels.mjs'

const missing = compilerVersion() ? undefined : 'needs nvcc, which is not installed'
const folder = mkdtempSync(join(tmpdir(), 'lowlat-compiled-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs nvcc on one file of kernels; its messages, and the bytes that it made. */
function compile(name: string, ...flags: string[]): { log: string; text: string } {
  const source = fileURLToPath(new URL(`../../kernels/${name}.cu`, import.meta.url))
  const output = join(folder, `${name}.out`)
  const { status, stderr } = spawnSync('nvcc', ['-O3', '-std=c++17', ...flags, '-o', output, source], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`nvcc ended with ${status}:\n${stderr}`)
  return { log: stderr, text: readFileSync(output, 'latin1') }
}

/** The PTX of each kernel. */
function kernelsIn(ptx: string): Map<string, string> {
  const entries = ptx.split(/^(?=\.visible \.entry )/m).slice(1)
  return new Map(entries.map((text) => [/\.entry (\w+)/.exec(text)![1]!, text]))
}

const instructions = {
  product_f16: /mma\.sync\.aligned\.m16n8k16\.row\.col\.f32\.f16/,
  product_int8: /mma\.sync\.aligned\.m16n8k32\.row\.col\.s32\.[su]8/,
  product_tf32: /mma\.sync\.aligned\.m16n8k8\.row\.col\.f32\.tf32/,
  attention_f16: /mma\.sync\.aligned\.m16n8k16\.row\.col\.f32\.f16/,
} as const

describe.skipIf(missing)(`compiled matrix kernels${missing ? `: ${missing}` : ''}`, () => {
  test.each(Object.entries(instructions))(
    '%s multiplies on tensor cores',
    (name, instruction) => {
      const kernels = kernelsIn(compile(name, '-arch=compute_90', '-ptx').text)
      expect(kernels.size).toBeGreaterThan(0)
      for (const [kernel, text] of kernels) expect(instruction.test(text), kernel).toBe(true)
    },
    120_000,
  )

  test.each(
    [...Object.keys(instructions), 'product_f32', 'attention_f32', 'depthwise'].flatMap((name) =>
      [75, 90].map((architecture) => [name, architecture] as const),
    ),
  )(
    '%s keeps everything in registers on sm_%i',
    (name, architecture) => {
      const report = parseResources(compile(name, `-arch=sm_${architecture}`, '-cubin', '--resource-usage').log)
      expect(Object.keys(report).length).toBeGreaterThan(0)
      for (const [kernel, { [architecture]: resources }] of Object.entries(report))
        expect({ kernel, ...resources }).toMatchObject({ stackBytes: 0, spillBytes: 0 })
    },
    120_000,
  )
})
