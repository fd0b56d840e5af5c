// @ts-check
// Lets the compiler say what the tables say: a generated program includes the headers of a release and prints slots, values and
// layouts as this compiler lays them out. It needs neither TensorRT's libraries nor CUDA.
//
// A pointer to a virtual member function holds the function's place in the vtable (Itanium C++ ABI, 2.3: 1 + offset in bytes; on
// 64-bit ARM the offset itself). A destructor has no such pointer: its two slots are those that nothing else takes, up to the slot
// of a function that a derived class adds.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { classSources, enumSources, functionSources, layouts } from './abi-layout.mjs'
import { enumValueOf, slotOf, versionNumber } from './abi-table.mjs'

/**
 * @typedef {import('./abi-layout.mjs').Release} Release
 * @typedef {import('./abi-table.mjs').Table} Table
 */

/** The compiler to ask, or undefined where there is none. */
export function findCompiler() {
  const name = process.env.CXX ?? 'g++'
  return spawnSync(name, ['--version']).status === 0 ? name : undefined
}

/** What the headers want from CUDA: the names of two handles. */
const cudaStub = `#pragma once
typedef struct CUstream_st* cudaStream_t;
typedef struct CUevent_st* cudaEvent_t;
`

/** Comes behind the headers. */
const prelude = `#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <type_traits>

template <class Type> static const char* machine_type() {
  if constexpr (std::is_void_v<Type>) return "void";
  else if constexpr (std::is_reference_v<Type>) return std::is_const_v<std::remove_reference_t<Type>> ? "const void*" : "void*";
  else if constexpr (std::is_pointer_v<Type>) {
    using Pointee = std::remove_pointer_t<Type>;
    if constexpr (std::is_same_v<Pointee, const char>) return "const char*";
    else return std::is_const_v<Pointee> ? "const void*" : "void*";
  } else if constexpr (std::is_enum_v<Type>) return machine_type<std::underlying_type_t<Type>>();
  else if constexpr (std::is_same_v<Type, bool>) return "bool";
  else if constexpr (std::is_same_v<Type, float>) return "float";
  else if constexpr (std::is_same_v<Type, double>) return "double";
  else if constexpr (std::is_integral_v<Type>) {
    if constexpr (sizeof(Type) == 4) return std::is_signed_v<Type> ? "int32_t" : "uint32_t";
    else if constexpr (sizeof(Type) == 8) return std::is_signed_v<Type> ? "int64_t" : "uint64_t";
    else return "integer";
  } else {
    static_assert(std::is_trivially_copyable_v<Type>);
    if constexpr (std::is_same_v<Type, nvinfer1::Dims>) return "Dims";
    else if constexpr (std::is_same_v<Type, nvinfer1::Weights>) return "Weights";
    else if constexpr (std::is_same_v<Type, nvinfer1::InterfaceInfo>) return "Interface";
    else return "struct";
  }
}

template <class Function> static void slot(const char* name, Function function) {
  std::ptrdiff_t words[2];
  static_assert(sizeof words == sizeof function);
  std::memcpy(words, &function, sizeof words);
#if defined(__aarch64__)
  bool isVirtual = (words[1] & 1) != 0 && words[1] >> 1 == 0;
  std::ptrdiff_t offset = words[0];
#else
  bool isVirtual = (words[0] & 1) != 0 && words[1] == 0;
  std::ptrdiff_t offset = words[0] - 1;
#endif
  std::printf("slot %s\\t%td\\n", name, isVirtual ? offset / std::ptrdiff_t(sizeof(void*)) : std::ptrdiff_t(-1));
}

template <class Result, class Class, class... Parameters> static void type(const char* name, Result (Class::*)(Parameters...)) {
  std::printf("type %s\\t%s(", name, machine_type<Result>());
  [[maybe_unused]] const char* separator = "";
  ((std::printf("%s%s", separator, machine_type<Parameters>()), separator = ", "), ...);
  std::printf(")\\n");
}

template <class Result, class Class, class... Parameters> static void type(const char* name, Result (Class::*function)(Parameters...) const) {
  type(name, reinterpret_cast<Result (Class::*)(Parameters...)>(function));
}

template <class Function> static void method(const char* name, Function function) {
  slot(name, function);
  type(name, function);
}

static void number(const char* name, long long value) { std::printf("%s\\t%lld\\n", name, value); }
`

/**
 * The program that prints `name number` a line for everything that a release declares.
 * @param {Release} release
 */
function programText(release) {
  const outside = ['struct ProbeINoCopy : nvinfer1::INoCopy { virtual void afterAllOthers(); };']
  const lines = ['slot("after INoCopy", &ProbeINoCopy::afterAllOthers);']
  for (const [name, { methods }] of Object.entries(release.classes)) {
    const { type, object } = /** @type {import('./abi-layout.mjs').ClassSource} */ (classSources[name])
    outside.push(`struct Probe${name} : ${type} { virtual void afterAllOthers(); };`)
    lines.push(`slot("after ${name}", &Probe${name}::afterAllOthers);`)
    for (const [key, { declared }] of Object.entries(methods)) {
      if (declared.name === '~') continue
      const overloaded = Object.values(methods).filter((other) => other.declared.name === declared.name).length > 1
      const cast = `${declared.result} (${type}::*)(${declared.parameters.join(', ')})${declared.isConst ? ' const' : ''}`
      const pointer = `&${type}::${declared.name}`
      lines.push(`method("${name}.${key}", ${overloaded ? `static_cast<${cast}>(${pointer})` : pointer});`)
    }
    if (!object) continue
    lines.push(`number("public size ${name}", sizeof(${object}));`)
    const field = name === 'Layer' ? 'mLayer' : 'mImpl'
    lines.push(`number("impl at ${name}", offsetof(${object}, ${field}));`)
    lines.push(`number("impl type ${name}", std::is_same_v<decltype(${object}::${field}), ${type}*>);`)
    lines.push(`number("public base ${name}", std::is_base_of_v<nvinfer1::INoCopy, ${object}>);`)
  }
  for (const [name, values] of Object.entries(release.enums)) {
    const type = enumSources[name]
    lines.push(`number("size ${name}", sizeof(${type}));`)
    for (const key of Object.keys(values))
      lines.push(`number("value ${name}.${key}", static_cast<long long>(${type}::${key}));`)
  }
  for (const [name, { fields }] of Object.entries(layouts)) {
    lines.push(`number("size ${name}", sizeof(nvinfer1::${name}));`)
    for (const field of Object.keys(fields))
      lines.push(`number("at ${name}.${field}", offsetof(nvinfer1::${name}, ${field}));`)
  }
  for (const [name, type] of Object.entries(functionSources)) {
    if (!release.declarations.functions.has(name)) continue
    lines.push(`number("function ${name}", std::is_convertible_v<decltype(&${name}), ${type.replace('(', '(*)(')}>);`)
  }
  lines.push('number("version", NV_TENSORRT_VERSION);')
  const parser = release.missing.includes('NvOnnxParser.h') ? [] : ['NvOnnxParser.h']
  if (parser.length > 0) lines.push('number("parser version", NV_ONNX_PARSER_VERSION);')
  const includes = ['NvInfer.h', 'NvInferPlugin.h', ...parser].map((name) => `#include "${name}"`)
  return `${includes.join('\n')}\n${prelude}\nusing namespace nvinfer1;\n${outside.join('\n')}\nint main() {\n  ${lines.join('\n  ')}\n}\n`
}

/**
 * Compiles and runs the program of a release in a temporary folder.
 * @param {Release} release
 * @param {string} compiler
 * @returns {Map<string, string>}
 */
export function askCompiler(release, compiler) {
  const folder = mkdtempSync(join(tmpdir(), 'lowlat-abi-'))
  /** @param {string} command @param {string[]} args */
  const run = (command, args) => {
    const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', cwd: folder })
    if (status === 0) return stdout
    throw new Error(`${release.directory}: ${command} failed: ${(error?.message ?? stderr).slice(0, 4000)}`)
  }
  try {
    writeFileSync(join(folder, 'cuda_runtime_api.h'), cudaStub)
    writeFileSync(join(folder, 'probe.cpp'), programText(release))
    // Protected members are asked for; nothing is ever called.
    const headers = ['-isystem', resolve(release.directory), '-I', folder]
    run(compiler, ['-std=c++17', '-w', '-O0', '-fno-access-control', ...headers, 'probe.cpp', '-o', 'probe'])
    const lines = run('./probe', []).trim().split('\n')
    return new Map(lines.map((line) => /** @type {[string, string]} */ (line.split('\t'))))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * What the table says otherwise than the compiler about a release, one sentence each.
 * @param {Table} table
 * @param {Release} release
 * @param {ReadonlyMap<string, string>} printed by its program
 */
export function compilerDifferences(table, release, printed) {
  const { version } = release
  /** @type {string[]} */
  const found = []
  /** @param {string} what @param {unknown} expected @param {unknown} actual */
  const compare = (what, expected, actual) => {
    if (String(expected) !== String(actual))
      found.push(`${version}: ${what}: expected ${expected ?? 'nothing'}, the compiler says ${actual ?? 'nothing'}`)
  }
  for (const [name, { through, methods }] of Object.entries(release.classes)) {
    const taken = new Set()
    for (const [key, { declared }] of Object.entries(methods)) {
      if (declared.name === '~') continue
      const slot = printed.get(`slot ${name}.${key}`)
      taken.add(slot)
      compare(`type of ${name}.${key}`, table.classes[name]?.methods[key]?.type, printed.get(`type ${name}.${key}`))
      compare(`slot of ${name}.${key}`, slotOf(table, version, name, key), slot)
    }
    const slots = Number(printed.get(`slot after ${name}`))
    const free = Array.from({ length: slots }, (_, index) => index).filter((index) => !taken.has(String(index)))
    const destroy = through === 'impl' ? 1 : slotOf(table, version, name, 'destroy')
    compare(`slots of the destructors of ${name}`, `${(destroy ?? 0) - 1} and ${destroy}`, free.join(' and '))
    if (through === 'callback') compare(`slots of ${name}`, table.classes[name]?.size, slots)
    if (through !== 'impl') continue
    // The public object: a vtable that begins with INoCopy's two destructors, and one field.
    compare(`bytes of the public ${name}`, 16, printed.get(`public size ${name}`))
    compare(`offset of the implementation in the public ${name}`, 8, printed.get(`impl at ${name}`))
    compare(`type of the implementation of ${name}`, 1, printed.get(`impl type ${name}`))
    compare(`whether the public ${name} derives from INoCopy`, 1, printed.get(`public base ${name}`))
  }
  compare('slots of INoCopy', 2, printed.get('slot after INoCopy'))
  for (const [name, values] of Object.entries(release.enums)) {
    compare(`bytes of ${name}`, 4, printed.get(`size ${name}`))
    for (const key of Object.keys(values))
      compare(`${name}.${key}`, enumValueOf(table, version, name, key), printed.get(`value ${name}.${key}`))
  }
  for (const [name, { size, fields }] of Object.entries(layouts)) {
    compare(`bytes of ${name}`, size, printed.get(`size ${name}`))
    for (const [field, offset] of Object.entries(fields))
      compare(`offset of ${name}.${field}`, offset, printed.get(`at ${name}.${field}`))
  }
  for (const [name, type] of Object.entries(functionSources)) {
    const isParser = release.missing.includes('NvOnnxParser.h') && /OnnxParser/.test(name)
    if (!isParser) compare(`whether ${name} is ${type}`, 1, printed.get(`function ${name}`))
  }
  compare('NV_TENSORRT_VERSION', versionNumber(version), printed.get('version'))
  return found
}
