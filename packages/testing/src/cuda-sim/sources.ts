import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The file and all that it includes by `#include "..."`, looked up as the compiler does. */
function includedFiles(file: string, includePath: readonly string[], seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen
  seen.add(file)
  for (const [, name] of readFileSync(file, 'utf8').matchAll(/^\s*#\s*include\s+"([^"]+)"/gm)) {
    const found = [dirname(file), ...includePath].map((folder) => join(folder, name!)).find((path) => existsSync(path))
    if (found) includedFiles(found, includePath, seen)
  }
  return seen
}

/** Changes whenever compiling this file with these flags may give something else. */
export function compilationKey(file: string, includePath: readonly string[], flags: readonly string[]): string {
  const contents = [...includedFiles(file, includePath)].map((path) => [path, readFileSync(path, 'utf8')])
  return contentKey(JSON.stringify([flags, contents]))
}

export const contentKey = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 24)
