import { mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { compile, compilerIdentity } from './compiler.ts'
import { compilationKey, contentKey } from './sources.ts'

/** A shared library or a program, and what it is made of. */
export interface LinkOptions {
  /** Where it is kept, and the objects. */
  readonly cacheFolder: string
  readonly name: string
  readonly sources: readonly string[]
  readonly flags: readonly string[]
  /** More flags for sources of these names. */
  readonly flagsOf?: Readonly<Record<string, readonly string[]>>
  readonly includePath: readonly string[]
  /** What the linker gets behind the objects. */
  readonly libraries: readonly string[]
  readonly program?: boolean
}

/** Links these sources, each compiled by itself, unless the result is in the cache. The path. */
export async function link(options: LinkOptions): Promise<string> {
  const { cacheFolder, name, sources, flags, includePath, libraries, flagsOf = {}, program = false } = options
  mkdirSync(cacheFolder, { recursive: true })
  const allFlags = [...flags, ...includePath.map((folder) => `-I${folder}`)]
  const identity = compilerIdentity()
  const objects = await Promise.all(
    sources.map(async (source) => {
      const ownFlags = [...allFlags, ...(flagsOf[basename(source)] ?? [])]
      const key = compilationKey(source, includePath, [...ownFlags, identity])
      const object = join(cacheFolder, `${basename(source).replace(/\W/g, '-')}-${key}.o`)
      await compile(object, [...ownFlags, '-x', 'c++', '-c', source])
      return object
    }),
  )
  const key = contentKey(JSON.stringify([objects, libraries, flags, program]))
  const output = join(cacheFolder, `${name}-${key}${program ? '' : '.so'}`)
  const sanitizers = flags.filter((flag) => flag.startsWith('-fsanitize'))
  await compile(output, [...(program ? [] : ['-shared']), ...sanitizers, ...objects, ...libraries])
  return output
}
