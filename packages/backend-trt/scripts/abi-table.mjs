// @ts-check
// The table of a major: what all its releases share, when each method and enumerator came, and where a release differs. A release
// is checked by asking the table for it, as the addon does, and comparing.

/**
 * @typedef {import('./abi-layout.mjs').Release} Release
 * @typedef {import('./abi-layout.mjs').Through} Through
 *
 * @typedef {object} Entry
 * @property {number} slot
 * @property {string} type as the machine sees it, without the object: `bool(const char*, int32_t)`
 * @property {string} [since] first compared release that has it; absent where the first one has
 *
 * @typedef {object} ClassTable
 * @property {Through} through
 * @property {string} [since]
 * @property {number} [size] slots of an object that we provide
 * @property {{ kind: string, major: number, minor: number }} [interface] what its getInterfaceInfo returns
 * @property {Record<string, Entry>} methods in the order of their slots
 *
 * @typedef {object} Exception Between two releases, both included, one method stood in the middle and all behind it one slot higher.
 * @property {string} from
 * @property {string} to the last number may be `x`: any
 * @property {string} class
 * @property {number} insertedAt
 * @property {string} inserted the method that has this slot there
 *
 * @typedef {number | { value: number, since: string }} EnumValue
 *
 * @typedef {object} Table
 * @property {number} major
 * @property {string} from
 * @property {string} to
 * @property {Record<string, ClassTable>} classes
 * @property {Exception[]} exceptions
 * @property {Record<string, Record<string, EnumValue>>} enums
 */

/** `10.13.2` -> 101302, as getInferLibVersion counts. @param {string} version @param {number} [any] what `x` stands for */
export function versionNumber(version, any = 0) {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map((part) => (part === 'x' ? any : Number(part)))
  return major * 10_000 + minor * 100 + patch
}

/** @param {string} version @param {string | undefined} since */
const has = (version, since) => since === undefined || versionNumber(version) >= versionNumber(since)

/**
 * @param {readonly Release[]} releases of one major
 * @returns {Table}
 */
export function tableOf(releases) {
  const ordered = [...releases].sort((a, b) => versionNumber(a.version) - versionNumber(b.version))
  const [first] = ordered
  const last = ordered.at(-1)
  if (!first || !last) throw new Error('a table needs the headers of at least one release')
  /** The release in which something came, unless it was always there. @param {(release: Release) => boolean} test */
  const since = (test) => {
    const found = /** @type {Release} */ (ordered.find(test))
    return found === first ? {} : { since: found.version }
  }
  /** @type {Table} */
  const table = {
    major: Number(last.version.split('.')[0]),
    from: first.version,
    to: last.version,
    classes: {},
    exceptions: [],
    enums: {},
  }
  for (const [name, layout] of Object.entries(last.classes)) {
    /** @type {Record<string, Entry>} */
    const methods = {}
    for (const [method, { slot, type }] of Object.entries(layout.methods).sort(([, a], [, b]) => a.slot - b.slot))
      methods[method] = { slot, type, ...since((release) => release.classes[name]?.methods[method] !== undefined) }
    table.classes[name] = {
      through: layout.through,
      ...since((release) => release.classes[name] !== undefined),
      ...(layout.through === 'callback' ? { size: layout.slots } : {}),
      ...(layout.interface ? { interface: layout.interface } : {}),
      methods,
    }
  }
  for (const [name, values] of Object.entries(last.enums)) {
    /** @type {Record<string, EnumValue>} */
    const entries = {}
    for (const [key, value] of Object.entries(values)) {
      const came = since((release) => release.enums[name]?.[key] !== undefined)
      entries[key] = came.since ? { value, since: came.since } : value
    }
    table.enums[name] = entries
  }
  // One at a time: an exception covers later releases of its minor version as well.
  for (const release of ordered) table.exceptions.push(...exceptionsOf(table, release))
  return table
}

/** What a release inserted in the middle of classes; anything else that differs is left to the check. @param {Table} table @param {Release} release @returns {Exception[]} */
function exceptionsOf(table, release) {
  return Object.entries(release.classes).flatMap(([name, layout]) => {
    const moved = Object.entries(layout.methods).filter(
      ([method, { slot }]) => slot !== slotOf(table, release.version, name, method),
    )
    const insertedAt = Math.min(...moved.map(([, { slot }]) => slot))
    const inserted = moved.find(([, { slot }]) => slot === insertedAt)?.[0]
    if (inserted === undefined) return []
    return [{ from: release.version, to: release.version.replace(/\d+$/, 'x'), class: name, insertedAt, inserted }]
  })
}

/**
 * The slot that a method has in a release, or undefined where the release lacks it.
 * @param {Table} table @param {string} version @param {string} className @param {string} method
 */
export function slotOf(table, version, className, method) {
  const entry = table.classes[className]?.methods[method]
  if (!entry || !has(version, entry.since)) return undefined
  const number = versionNumber(version)
  for (const exception of table.exceptions) {
    if (
      exception.class !== className ||
      number < versionNumber(exception.from) ||
      number > versionNumber(exception.to, 99)
    )
      continue
    if (method === exception.inserted) return exception.insertedAt
    return entry.slot >= exception.insertedAt ? entry.slot + 1 : entry.slot
  }
  return entry.slot
}

/** @param {Table} table @param {string} version @param {string} enumName @param {string} key */
export function enumValueOf(table, version, enumName, key) {
  const value = table.enums[enumName]?.[key]
  if (value === undefined || typeof value === 'number') return value
  return has(version, value.since) ? value.value : undefined
}

/**
 * What the table says wrongly about a release, one sentence each.
 * @param {Table} table
 * @param {Release} release
 */
export function differences(table, release) {
  const { version } = release
  /** @type {string[]} */
  const found = []
  /** @param {string} what @param {unknown} expected @param {unknown} actual */
  const compare = (what, expected, actual) => {
    if (expected !== actual)
      found.push(`${version}: ${what}: the table says ${expected ?? 'nothing'}, the headers say ${actual ?? 'nothing'}`)
  }
  const withoutParser = release.missing.includes('NvOnnxParser.h')
  for (const [name, expected] of Object.entries(table.classes)) {
    const layout = release.classes[name]
    if (withoutParser && name.startsWith('OnnxParser')) continue
    if (!layout && !has(version, expected.since)) continue
    for (const method of new Set([...Object.keys(expected.methods), ...Object.keys(layout?.methods ?? {})])) {
      const actual = layout?.methods[method]
      compare(`slot of ${name}.${method}`, slotOf(table, version, name, method), actual?.slot)
      if (actual) compare(`type of ${name}.${method}`, expected.methods[method]?.type, actual.type)
    }
    if (expected.size !== undefined) compare(`slots of ${name}`, expected.size, layout?.slots)
    compare(`interface of ${name}`, described(expected.interface), described(layout?.interface))
  }
  for (const [name, expected] of Object.entries(table.enums)) {
    if (withoutParser && (name === 'ParserErrorCode' || name === 'OnnxParserFlag')) continue
    const values = release.enums[name] ?? {}
    for (const key of new Set([...Object.keys(expected), ...Object.keys(values)]))
      compare(`${name}.${key}`, enumValueOf(table, version, name, key), values[key])
  }
  for (const name of Object.keys(release.classes))
    if (!table.classes[name]) compare(`class ${name}`, undefined, 'that it is there')
  for (const name of Object.keys(release.enums))
    if (!table.enums[name]) compare(`enum ${name}`, undefined, 'that it is there')
  return found
}

/** @param {{ kind: string, major: number, minor: number } | undefined} info */
const described = (info) => (info ? `${info.kind} ${info.major}.${info.minor}` : undefined)

/** The table as the formatter of this repository leaves it. @param {Table} table */
export function tableText(table) {
  return `${json(table, '', 0)}\n`
}

/** Values without parts in them stand on one line where they fit into 120 columns. @param {unknown} value @param {string} indent @param {number} column @returns {string} */
function json(value, indent, column) {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const inner = `${indent}  `
  const parts = Array.isArray(value)
    ? value.map((part) => json(part, inner, inner.length))
    : Object.entries(value).map(([key, part]) => `"${key}": ${json(part, inner, inner.length + key.length + 4)}`)
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}']
  if (parts.length === 0) return open + close
  const line = `${open} ${parts.join(', ')} ${close}`
  const isLeaf = Object.values(value).every((part) => typeof part !== 'object')
  if (isLeaf && column + line.length < 120) return line
  return `${open}\n${parts.map((part) => inner + part).join(',\n')}\n${indent}${close}`
}
