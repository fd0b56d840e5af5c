// @ts-check
// A function's type as the machine sees it, which is what a caller without headers must get right: pointers and references lose what
// they point to (but `const`, and text), enums become their integers, handles become pointers, and structs keep their names.

/**
 * @typedef {import('./abi-headers.mjs').Declarations} Declarations
 * @typedef {import('./abi-headers.mjs').VirtualFunction} VirtualFunction
 */

/** @type {Readonly<Record<string, string>>} */
const scalars = {
  void: 'void',
  bool: 'bool',
  float: 'float',
  double: 'double',
  int: 'int32_t',
  int32_t: 'int32_t',
  uint32_t: 'uint32_t',
  int64_t: 'int64_t',
  uint64_t: 'uint64_t',
  size_t: 'uint64_t',
  cudaStream_t: 'void*',
  cudaEvent_t: 'void*',
}

/** Structs that pass by value, and our names for those that we use. @type {Readonly<Record<string, string>>} */
const structs = {
  Dims: 'Dims',
  Dims64: 'Dims',
  Weights: 'Weights',
  InterfaceInfo: 'Interface',
  TimingCacheValue: 'struct',
}

/**
 * `bool(const char*, int32_t)`: without the object itself.
 * @param {Declarations} declarations
 * @param {VirtualFunction} declared
 */
export function machineType(declarations, { result, parameters }) {
  return `${machineTypeOf(declarations, result)}(${parameters.map((parameter) => machineTypeOf(declarations, withoutName(parameter))).join(', ')})`
}

/** @param {Declarations} declarations @param {string} type @returns {string} */
function machineTypeOf(declarations, type) {
  const words = type.split(' ')
  if (words.at(-1) === 'const' && words.length > 1) words.pop()
  const last = words.pop()
  if (last === '*' || last === '&') {
    // What it points to is constant where `const` stands behind it, or in front of a type that is no pointer itself.
    const isConst = words.at(-1) === 'const' || (words[0] === 'const' && !words.includes('*'))
    const pointee = words.filter((word) => word !== 'const')
    if (
      last === '*' &&
      isConst &&
      pointee.length === 1 &&
      resolve(declarations, /** @type {string} */ (pointee[0])) === 'char'
    )
      return 'const char*'
    return isConst ? 'const void*' : 'void*'
  }
  const name = resolve(declarations, [...words, last].filter((word) => word !== 'const').join(''))
  if (/[*&]$/.test(name)) return machineTypeOf(declarations, name)
  const simple = /** @type {string} */ (name.split('::').at(-1))
  const known = scalars[simple] ?? structs[simple]
  if (known) return known
  if ([...declarations.enums.keys()].some((key) => key === name || key.endsWith(`::${name}`))) return 'int32_t'
  throw new Error(`type '${type}' is not known`)
}

/** Follows `using`. @param {Declarations} declarations @param {string} name @returns {string} */
function resolve(declarations, name) {
  const alias = declarations.aliases.get(/** @type {string} */ (name.split('::').at(-1)))
  return alias === undefined || alias.replaceAll(' ', '').endsWith(`::${name}`) ? name : resolve(declarations, alias)
}

/** `Dims const & dims` -> `Dims const &`. @param {string} parameter */
export function withoutName(parameter) {
  const words = parameter.split(' ')
  const last = words.at(-1) ?? ''
  const types = words.filter((word, index) => /^\w/.test(word) && word !== 'const' && words[index + 1] !== '::').length
  if (/^\w/.test(last) && last !== 'const' && types > 1) words.pop()
  return words.join(' ')
}
