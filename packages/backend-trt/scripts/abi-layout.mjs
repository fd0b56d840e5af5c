// @ts-check
// From declarations to what a caller without headers needs: slots in vtables (Itanium C++ ABI: in the order of declaration, a virtual
// destructor takes two) and values of enumerators, for one release of TensorRT.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { noDeclarations, readHeader } from './abi-headers.mjs'
import { machineType, withoutName } from './abi-types.mjs'

/**
 * @typedef {import('./abi-headers.mjs').Declarations} Declarations
 * @typedef {import('./abi-headers.mjs').VirtualFunction} VirtualFunction
 *
 * @typedef {'impl' | 'object' | 'callback'} Through Whose vtable: that of the object behind a public object's second word, the
 *   object's own, or one that we provide.
 *
 * @typedef {object} ClassSource
 * @property {Through} through
 * @property {string} type the class with the virtual functions, qualified
 * @property {string} [object] the public class in front of an `impl`
 *
 * @typedef {object} Method
 * @property {number} slot
 * @property {string} type as the machine sees it: `bool(const char*, int32_t)`
 * @property {VirtualFunction} declared
 *
 * @typedef {object} ClassLayout
 * @property {Through} through
 * @property {Record<string, Method>} methods
 * @property {number} slots in the whole vtable
 * @property {{ kind: string, major: number, minor: number }} [interface] what getInterfaceInfo returns
 *
 * @typedef {object} Release
 * @property {string} version `10.13.2`
 * @property {string} directory
 * @property {Record<string, ClassLayout>} classes
 * @property {Record<string, Record<string, number>>} enums
 * @property {Declarations} declarations
 * @property {string[]} missing headers that the directory lacks
 */

const impl = (/** @type {string} */ name) =>
  /** @type {ClassSource} */ ({ through: 'impl', type: `nvinfer1::apiv::V${name}`, object: `nvinfer1::I${name}` })
const own = (/** @type {string} */ type) => /** @type {ClassSource} */ ({ through: 'object', type })
const callback = (/** @type {string} */ name) =>
  /** @type {ClassSource} */ ({ through: 'callback', type: `nvinfer1::I${name}` })

/** @type {Readonly<Record<string, ClassSource>>} */
export const classSources = {
  ...Object.fromEntries(
    [
      'Builder',
      'BuilderConfig',
      'NetworkDefinition',
      'OptimizationProfile',
      'Runtime',
      'RuntimeConfig',
      'CudaEngine',
      'ExecutionContext',
      'EngineInspector',
      'HostMemory',
      'TimingCache',
      'Refitter',
      'Tensor',
      'Layer',
      'SerializationConfig',
    ].map((name) => [name, impl(name)]),
  ),
  PluginRegistry: own('nvinfer1::IPluginRegistry'),
  OnnxParser: own('nvonnxparser::IParser'),
  OnnxParserError: own('nvonnxparser::IParserError'),
  OnnxParserRefitter: own('nvonnxparser::IParserRefitter'),
  ...Object.fromEntries(
    [
      'Logger',
      'Profiler',
      'ProgressMonitor',
      'OutputAllocator',
      'StreamReader',
      'StreamReaderV2',
      'StreamWriter',
      'ErrorRecorder',
      'GpuAllocator',
      'GpuAsyncAllocator',
      'DebugListener',
    ].map((name) => [name, callback(name)]),
  ),
}

/** Tables' names of enums and where the headers have them. @type {Readonly<Record<string, string>>} */
export const enumSources = {
  ...Object.fromEntries(
    [
      'APILanguage',
      'AllocatorFlag',
      'BuilderFlag',
      'DataType',
      'DeviceType',
      'EngineCapability',
      'EngineStat',
      'ErrorCode',
      'ExecutionContextAllocationStrategy',
      'HardwareCompatibilityLevel',
      'LayerInformationFormat',
      'LayerType',
      'MemoryPoolType',
      'NetworkDefinitionCreationFlag',
      'OptProfileSelector',
      'PreviewFeature',
      'ProfilingVerbosity',
      'RuntimePlatform',
      'SeekPosition',
      'SerializationFlag',
      'TacticSource',
      'TempfileControlFlag',
      'TensorFormat',
      'TensorIOMode',
      'TensorLocation',
      'TilingOptimizationLevel',
      'WeightsRole',
    ].map((name) => [name, `nvinfer1::${name}`]),
  ),
  Severity: 'nvinfer1::ILogger::Severity',
  ParserErrorCode: 'nvonnxparser::ErrorCode',
  OnnxParserFlag: 'nvonnxparser::OnnxParserFlag',
}

/**
 * The structs that pass between us and the library, and their bytes; the same in both majors.
 * @type {Readonly<Record<string, { size: number, fields: Record<string, number> }>>}
 */
export const layouts = {
  Dims: { size: 72, fields: { nbDims: 0, d: 8 } },
  Weights: { size: 24, fields: { type: 0, values: 8, count: 16 } },
  InterfaceInfo: { size: 16, fields: { kind: 0, major: 8, minor: 12 } },
  PluginField: { size: 24, fields: { name: 0, data: 8, type: 16, length: 20 } },
}

/** C functions and their types; the libraries export them under these names. @type {Readonly<Record<string, string>>} */
export const functionSources = {
  getInferLibVersion: 'int32_t()',
  createInferBuilder_INTERNAL: 'void*(void* logger, int32_t version)',
  createInferRuntime_INTERNAL: 'void*(void* logger, int32_t version)',
  createInferRefitter_INTERNAL: 'void*(void* engine, void* logger, int32_t version)',
  getPluginRegistry: 'nvinfer1::IPluginRegistry*()',
  initLibNvInferPlugins: 'bool(void* logger, char const* libNamespace)',
  createNvOnnxParser_INTERNAL: 'void*(void* network, void* logger, int32_t version)',
  createNvOnnxParserRefitter_INTERNAL: 'void*(void* refitter, void* logger, int32_t version)',
  getNvOnnxParserVersion: 'int32_t()',
}

/** Those that must be there, then one that newer releases have, and one that some packages leave out. */
const required = [
  'NvInferVersion.h',
  'NvInferRuntimeBase.h',
  'NvInferLegacyDims.h',
  'NvInferRuntimePlugin.h',
  'NvInferRuntimeCommon.h',
  'NvInferImpl.h',
  'NvInferRuntime.h',
  'NvInfer.h',
  'NvInferPlugin.h',
]
const optional = ['NvInferPluginBase.h', 'NvOnnxParser.h']

/**
 * Reads the headers of one release.
 * @param {string} directory with NvInfer.h
 * @returns {Release}
 */
export function readRelease(directory) {
  const declarations = noDeclarations()
  const missing = []
  for (const name of [...required, ...optional]) {
    const file = join(directory, name)
    if (existsSync(file)) readHeader(readFileSync(file, 'utf8'), declarations, file)
    else if (name === 'NvOnnxParser.h') missing.push(name)
    else if (required.includes(name))
      throw new Error(`${file} does not exist. Give --headers the folder of a TensorRT release that has NvInfer.h`)
  }
  /** @type {Record<string, ClassLayout>} */
  const classes = {}
  for (const [name, { through, type }] of Object.entries(classSources)) {
    const layout = layoutOf(declarations, type, through)
    if (layout) classes[name] = layout
  }
  /** @type {Record<string, Record<string, number>>} */
  const enums = {}
  for (const [name, type] of Object.entries(enumSources)) {
    const values = find(declarations.enums, type)
    if (!values) continue
    const odd = Object.keys(values).find((key) => Number.isNaN(values[key]))
    if (odd) throw new Error(`${directory}: the value of ${type}::${odd} is written in a way that is not known`)
    enums[name] = values
  }
  return { version: versionOf(declarations, directory), directory, classes, enums, declarations, missing }
}

/** @param {Declarations} declarations @param {string} directory */
function versionOf({ macros }, directory) {
  const parts = ['MAJOR', 'MINOR', 'PATCH'].map((part) => {
    let value = macros.get(`NV_TENSORRT_${part}`)
    while (value !== undefined && macros.has(value)) value = macros.get(value)
    if (!/^\d+$/.test(value ?? '')) throw new Error(`${directory}: NV_TENSORRT_${part} is '${value}', not a number`)
    return value
  })
  return parts.join('.')
}

/** By name, or under the namespace of an interface's version (`v_1_0`). @template T @param {Map<string, T>} map @param {string} type */
function find(map, type) {
  const versioned = type.replace(/^(\w+)::/, '$1::v_1_0::')
  return map.get(type) ?? map.get(versioned)
}

/** @param {Declarations} declarations @param {string} type @param {Through} through @returns {ClassLayout | undefined} */
export function layoutOf(declarations, type, through) {
  const entries = vtable(declarations, type)
  if (!entries) return undefined
  /** @type {Record<string, Method>} */
  const methods = {}
  let slot = 0
  let described
  for (const entry of entries) {
    if (entry.name === '~') {
      if (through === 'callback') methods.destructor = { slot, type: 'void()', declared: entry }
      if (through !== 'impl') methods.destroy = { slot: slot + 1, type: 'void()', declared: entry }
      slot += 2
      continue
    }
    // An overload is told apart by the types of its parameters.
    const key = entry.name in methods ? [entry.name, ...entry.parameters.map(typeName)].join('_') : entry.name
    if (key in methods) throw new Error(`${type}: two functions would be called '${key}'`)
    methods[key] = { slot: slot++, type: machineType(declarations, entry), declared: entry }
    if (entry.name === 'getInterfaceInfo') described = interfaceInfo(entry.body)
  }
  return { through, methods, slots: slot, ...(described ? { interface: described } : {}) }
}

/** The word that tells a parameter's type: `IStreamReader & streamReader` -> `IStreamReader`. @param {string} parameter */
function typeName(parameter) {
  return parameter.match(/\w+/g)?.find((word) => word !== 'const' && word !== 'void') ?? 'void'
}

/** @param {readonly string[]} body */
function interfaceInfo(body) {
  const at = body.findIndex((token) => token.startsWith('"'))
  if (at < 0) return undefined
  return {
    kind: /** @type {string} */ (body[at]).slice(1, -1),
    major: Number(body[at + 2]),
    minor: Number(body[at + 4]),
  }
}

/**
 * The functions of a class's vtable in order, from its base's on.
 * @param {Declarations} declarations
 * @param {string} type
 * @returns {VirtualFunction[] | undefined}
 */
function vtable(declarations, type) {
  const found = find(declarations.classes, type)
  if (!found) return undefined
  if (found.bases.length > 1) throw new Error(`${type} has several bases, whose vtables are not known`)
  /** @type {VirtualFunction[]} */
  let inherited = []
  for (const base of found.bases) {
    const entries =
      base.includes('::') && declarations.classes.has(base)
        ? vtable(declarations, base)
        : scoped(declarations, found.name, base)
    if (!entries) throw new Error(`${type} derives from ${base}, which is not declared`)
    inherited = entries
  }
  const overridden = [...inherited]
  /** @type {VirtualFunction[]} */
  const added = []
  for (const entry of found.virtuals) {
    const at = inherited.findIndex((other) => sameFunction(entry, other))
    if (at >= 0) overridden[at] = entry
    else added.push(entry)
  }
  return [...overridden, ...added]
}

/** Whether one overrides the other. @param {VirtualFunction} a @param {VirtualFunction} b */
function sameFunction(a, b) {
  return (
    a.name === b.name &&
    a.isConst === b.isConst &&
    a.parameters.map(parameterType).join() === b.parameters.map(parameterType).join()
  )
}

/** A parameter's type without const on the value itself. @param {string} parameter */
function parameterType(parameter) {
  return withoutName(parameter).replace(/(\S) const$/, '$1')
}

/** A base named from inside a class: looked up in its namespaces from the inside out. @param {Declarations} declarations @param {string} from @param {string} base */
function scoped(declarations, from, base) {
  const scopes = from.split('::').slice(0, -1)
  for (let depth = scopes.length; depth >= 0; depth--) {
    const entries = vtable(declarations, [...scopes.slice(0, depth), base].join('::'))
    if (entries) return entries
  }
  return undefined
}
