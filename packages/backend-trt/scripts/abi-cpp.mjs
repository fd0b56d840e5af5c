// @ts-check
// Both tables as one C++17 header for the addon and for the stand-in library:
//   import { writeHeader } from './abi-cpp.mjs';  writeHeader('build/abi_tables.h')
//   node scripts/abi-cpp.mjs build/abi_tables.h
// What the header offers, and how it is used, stands at its top.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { argv } from 'node:process'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { functions, usage } from './abi-cpp-text.mjs'
import { versionNumber } from './abi-table.mjs'

/** @typedef {import('./abi-table.mjs').Table} Table */

/** A letter for each machine type. @type {Readonly<Record<string, string>>} */
const letters = {
  void: 'v',
  bool: 'b',
  int32_t: 'i',
  uint32_t: 'u',
  int64_t: 'l',
  uint64_t: 'm',
  float: 'f',
  double: 'd',
  'void*': 'p',
  'const void*': 'p',
  'const char*': 'p',
  Dims: 'D',
  Weights: 'W',
  Interface: 'I',
  struct: '?',
}

/** `bool(const char*, int32_t)` -> `bpi`. @param {string} type */
function typeCode(type) {
  const [, result = '', parameters = ''] = /^(.*?)\((.*)\)$/.exec(type) ?? []
  return [result, ...parameters.split(', ').filter(Boolean)]
    .map((part) => {
      const letter = letters[part]
      if (!letter) throw new Error(`type '${part}' has no letter`)
      return letter
    })
    .join('')
}

/** @param {string} name */
const withoutK = (name) => name.replace(/^k(?=[A-Z0-9])/, '')

/**
 * @param {readonly Table[]} tables
 * @returns {string}
 */
export function headerText(tables) {
  const classes = [...new Set(tables.flatMap((table) => Object.keys(table.classes)))]
  const methods = classes.flatMap((name) => {
    const keys = new Set(tables.flatMap((table) => Object.keys(table.classes[name]?.methods ?? {})))
    return [...keys].map((method) => ({ class: name, method }))
  })
  const id = (/** @type {{ class: string, method: string }} */ { class: name, method }) => `${name}_${method}`
  const throughs = classes.map((name) => {
    const kinds = new Set(tables.flatMap((table) => table.classes[name]?.through ?? []))
    const [kind = ''] = kinds
    if (kinds.size !== 1) throw new Error(`${name} is reached in different ways by the majors`)
    return `Through::${kind.replace(/^./, (letter) => letter.toUpperCase())}`
  })
  const perMajor = tables.map((table) => {
    const slots = methods.map((method) => {
      const entry = table.classes[method.class]?.methods[method.method]
      if (!entry) return '{-1, 0, nullptr}'
      return `{${entry.slot}, ${versionNumber(entry.since ?? table.from)}, "${typeCode(entry.type)}"}`
    })
    const interfaces = classes.map((name) => {
      const info = table.classes[name]?.interface
      return info ? `{"${info.kind}", ${info.major}, ${info.minor}}` : '{nullptr, 0, 0}'
    })
    const exceptions = table.exceptions.map(
      (entry) =>
        `{${versionNumber(entry.from)}, ${versionNumber(entry.to, 99)}, Class::${entry.class}, ${entry.insertedAt}, Method::${entry.class}_${entry.inserted}}`,
    )
    const enums = Object.entries(table.enums).flatMap(([name, values]) =>
      Object.entries(values).map(([key, value]) => {
        const [number, since] = typeof value === 'number' ? [value, table.from] : [value.value, value.since]
        return `{"${name}", "${withoutK(key)}", ${number}, ${versionNumber(since)}}`
      }),
    )
    const none = '{0, 0, Class::None, 0, Method::None}'
    return `inline constexpr Slot kSlots${table.major}[] = {
    ${slots.map((slot, index) => `${slot},  // ${id(/** @type {{ class: string, method: string }} */ (methods[index]))}`).join('\n    ')}
};
inline constexpr Interface kInterfaces${table.major}[] = {${interfaces.join(', ')}};
inline constexpr Exception kExceptions${table.major}[] = {${[...exceptions, none].join(', ')}};
inline constexpr EnumValue kEnums${table.major}[] = {
    ${enums.join(',\n    ')},
    {nullptr, nullptr, 0, 0},
};
`
  })
  const majors = tables.map(
    ({ major }) => `{${major}, kSlots${major}, kInterfaces${major}, kExceptions${major}, kEnums${major}}`,
  )
  return `${usage}#pragma once

#include <cstdint>
#include <type_traits>

namespace lowlat_trt {

enum class Class : int16_t {
  None = -1,
  ${classes.join(',\n  ')},
};

enum class Method : int16_t {
  None = -1,
  ${methods.map(id).join(',\n  ')},
};

/** Whose vtable a class's methods stand in: of the object behind a public object, of the object itself, or one of ours. */
enum class Through : uint8_t { Impl, Object, Callback };

struct Slot {
  int16_t slot;   // -1: not in this major
  int32_t since;  // version number; 0: not in this major
  const char* types;  // a letter for the result and for each parameter behind the object: see machineType
};

/** What an object that we provide answers to getInterfaceInfo; has the layout that TensorRT expects. */
struct Interface {
  const char* kind;
  int32_t major;
  int32_t minor;
};

/** From one version to another, both included, a method stood in the middle of a vtable. */
struct Exception {
  int32_t from;
  int32_t to;
  Class inClass;
  int16_t insertedAt;
  Method inserted;
};

struct EnumValue {
  const char* name;
  const char* key;
  int32_t value;
  int32_t since;
};

struct MethodInfo {
  Class inClass;
  const char* name;
};

inline constexpr int kClassCount = ${classes.length};
inline constexpr int kMethodCount = ${methods.length};

inline constexpr Through kThrough[] = {${throughs.join(', ')}};
inline constexpr const char* kClassNames[] = {${classes.map((name) => `"${name}"`).join(', ')}};
inline constexpr MethodInfo kMethods[] = {
    ${methods.map((method) => `{Class::${method.class}, "${method.class}.${method.method}"},`).join('\n    ')}
};

${perMajor.join('\n')}
struct MajorTable {
  int32_t major;
  const Slot* slots;
  const Interface* interfaces;
  const Exception* exceptions;  // up to one of Class::None
  const EnumValue* enums;       // up to one without a name
};
inline constexpr MajorTable kMajors[] = {${majors.join(', ')}};

${functions}}  // namespace lowlat_trt
`
}

/** Writes the header of the tables in abi/. @param {string} path */
export function writeHeader(path) {
  const tables = [10, 11].map((major) =>
    JSON.parse(readFileSync(fileURLToPath(new URL(`../abi/trt${major}.json`, import.meta.url)), 'utf8')),
  )
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, headerText(tables))
}

if (argv[1] && import.meta.url === pathToFileURL(argv[1]).href) {
  if (!argv[2] || argv[2].startsWith('-')) throw new Error('Usage: abi-cpp.mjs FILE')
  writeHeader(argv[2])
}
