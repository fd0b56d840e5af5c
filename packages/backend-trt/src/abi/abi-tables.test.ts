import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findCompiler } from '../../scripts/abi-compiler.mjs'

const script = fileURLToPath(new URL('../../scripts/abi-tables.mjs', import.meta.url))
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lowlat-abi-test-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const base = `#pragma once
#include <cstddef>
#include <cstdint>
#include <cuda_runtime_api.h>
#define NV_TENSORRT_VERSION (NV_TENSORRT_MAJOR * 10000 + NV_TENSORRT_MINOR * 100 + NV_TENSORRT_PATCH)
namespace nvinfer1 {
enum class DataType : int32_t { kSMALL, kWIDE = 4 };
class Dims64 { public: int32_t nbDims; int64_t d[8]; };
using Dims = Dims64;
class Weights { public: DataType type; void const* values; int64_t count; };
struct InterfaceInfo { char const* kind; int32_t major; int32_t minor; };
struct PluginField { char const* name; void const* data; DataType type; int32_t length; };
class INoCopy { protected: virtual ~INoCopy() = default; };
class IPluginRegistry { public: virtual bool add(int32_t& a) = 0; virtual ~IPluginRegistry() = default; virtual bool add(float& b) = 0; };
namespace v_1_0 { class ILogger { public: virtual ~ILogger() = default; virtual void log(DataType type, char const* text) noexcept = 0; }; }
using ILogger = v_1_0::ILogger;
}
extern "C" int32_t getInferLibVersion() noexcept;
extern "C" void* createInferBuilder_INTERNAL(void* logger, int32_t version) noexcept;
extern "C" void* createInferRuntime_INTERNAL(void* logger, int32_t version) noexcept;
extern "C" void* createInferRefitter_INTERNAL(void* engine, void* logger, int32_t version) noexcept;
extern "C" nvinfer1::IPluginRegistry* getPluginRegistry() noexcept;
`

/** A release made up for these tests: one public class, whose functions are given. */
function headers(name: string, version: [number, number, number], functions: string[], otherBase = base) {
  const directory = join(folder, name)
  mkdirSync(directory, { recursive: true })
  const [major, minor, patch] = version
  const files = {
    'NvInferVersion.h': `#define MAJOR ${major}\n#define NV_TENSORRT_MAJOR MAJOR\n#define NV_TENSORRT_MINOR ${minor}\n#define NV_TENSORRT_PATCH ${patch}\n`,
    'NvInferRuntimeBase.h': otherBase,
    'NvInferImpl.h': `namespace nvinfer1 { namespace apiv {
      class VRoot { public: virtual ~VRoot() noexcept = default; };
      class VBuilder : public VRoot { public: ${functions.map((text) => `virtual ${text} = 0;`).join(' ')} };
      } }`,
    'NvInfer.h': `#include "NvInferVersion.h"
      #include "NvInferRuntimeBase.h"
      #include "NvInferImpl.h"
      namespace nvinfer1 { class IBuilder : public INoCopy { public: int size() { return mImpl->size(); } protected: apiv::VBuilder* mImpl; }; }`,
    'NvInferPlugin.h': 'extern "C" { bool initLibNvInferPlugins(void* logger, char const* libNamespace); }',
    'NvInferLegacyDims.h': '',
    'NvInferRuntimePlugin.h': '',
    'NvInferRuntimeCommon.h': '',
    'NvInferRuntime.h': '',
  }
  for (const [file, text] of Object.entries(files)) writeFileSync(join(directory, file), text)
  return directory
}

function run(directories: string[], how: '--check' | '--write', compiler?: string) {
  const args = [script, ...directories.flatMap((directory) => ['--headers', directory]), '--tables', folder, how]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: { ...process.env, ...(compiler === undefined ? {} : { CXX: compiler }) },
  })
  return { status, output: stdout + stderr }
}

const build = 'void* build(Dims const& dims, Weights weights, bool now) noexcept'
const size = 'int32_t size() const noexcept'
const none = join('no', 'such', 'compiler')

describe('without a compiler', () => {
  it('writes a table that holds for every release, and says that it read text alone', () => {
    const releases = [
      headers('a', [12, 10, 1], [size, build, 'Dims last(std::size_t n)']),
      headers('b', [12, 9, 0], [size, build]),
    ]
    expect(run(releases, '--write', none)).toEqual({
      status: 0,
      output:
        'No compiler (CXX, or g++): the headers are read as text alone\n' +
        '12.9.0: as the table says, without NvOnnxParser.h\n12.10.1: as the table says, without NvOnnxParser.h\n',
    })
    const table = JSON.parse(readFileSync(join(folder, 'trt12.json'), 'utf8'))
    expect(table.classes).toEqual({
      Builder: {
        through: 'impl',
        methods: {
          size: { slot: 2, type: 'int32_t()' },
          build: { slot: 3, type: 'void*(const void*, Weights, bool)' },
          last: { slot: 4, type: 'Dims(uint64_t)', since: '12.10.1' },
        },
      },
      PluginRegistry: {
        through: 'object',
        methods: {
          add: { slot: 0, type: 'bool(void*)' },
          destroy: { slot: 2, type: 'void()' },
          add_float: { slot: 3, type: 'bool(void*)' },
        },
      },
      Logger: {
        through: 'callback',
        size: 3,
        methods: {
          destructor: { slot: 0, type: 'void()' },
          destroy: { slot: 1, type: 'void()' },
          log: { slot: 2, type: 'void(int32_t, const char*)' },
        },
      },
    })
    expect(table.enums).toEqual({ DataType: { kSMALL: 0, kWIDE: 4 } })
  })

  it('fails where a release differs, with its version, class, method and slots', () => {
    const { status, output } = run([headers('c', [12, 11, 0], [build, size])], '--check', none)
    expect(status).toBe(1)
    expect(output).toContain('12.11.0: slot of Builder.build: the table says 3, the headers say 2\n')
    expect(output).toContain('12.11.0: slot of Builder.last: the table says 4, the headers say nothing\n')
  })

  it('fails where there is no table, and where there are no headers', () => {
    const missing = run([headers('d', [13, 0, 0], [size])], '--check', none)
    expect(missing).toMatchObject({ status: 1, output: expect.stringContaining('13.0.0: there is no table') })
    const empty = run([folder], '--check', none)
    expect(empty).toMatchObject({
      status: 1,
      output: expect.stringContaining('NvInferVersion.h does not exist. Give --headers'),
    })
    expect(spawnSync(process.execPath, [script, '--check']).status).toBe(2)
  })
})

describe.skipIf(!findCompiler())('with a compiler (skipped where there is none)', () => {
  const release = () => headers('e', [14, 1, 0], [size, build])

  it('finds what the text says', () => {
    expect(run([release()], '--write')).toEqual({
      status: 0,
      output: '14.1.0: as the table says, without NvOnnxParser.h\n',
    })
  })

  it('is not misled by the table', () => {
    run([release()], '--write')
    const path = join(folder, 'trt14.json')
    const table = JSON.parse(readFileSync(path, 'utf8'))
    table.classes.Builder.methods.build = { slot: 4, type: 'void*(const void*, Weights)' }
    table.classes.Logger.methods.destroy.slot = 2
    table.classes.Logger.methods.destructor.slot = 1
    table.enums.DataType.kWIDE = 5
    writeFileSync(path, JSON.stringify(table))
    const { status, output } = run([release()], '--check')
    expect(status).toBe(1)
    expect(output).toContain('14.1.0: slot of Builder.build: expected 4, the compiler says 3\n')
    expect(output).toContain(
      '14.1.0: type of Builder.build: expected void*(const void*, Weights), the compiler says void*(const void*, Weights, bool)\n',
    )
    expect(output).toContain(
      '14.1.0: slots of the destructors of Logger: expected 1 and 2, the compiler says 0 and 1\n',
    )
    expect(output).toContain('14.1.0: DataType.kWIDE: expected 5, the compiler says 4\n')
  })

  it('sees layouts and C functions that the text does not tell', () => {
    const otherBase = base
      .replace('int64_t d[8];', 'int32_t d[8];')
      .replace('protected: virtual ~INoCopy', 'public: virtual void first() {} virtual ~INoCopy')
      .replace(
        'createInferBuilder_INTERNAL(void* logger, int32_t version)',
        'createInferBuilder_INTERNAL(void* logger, double version)',
      )
    const { status, output } = run([headers('f', [15, 0, 0], [size], otherBase)], '--write')
    expect(status).toBe(1)
    expect(output).toContain('15.0.0: slots of INoCopy: expected 2, the compiler says 3\n')
    expect(output).toContain('15.0.0: bytes of Dims: expected 72, the compiler says 36\n')
    expect(output).toContain(
      '15.0.0: whether createInferBuilder_INTERNAL is void*(void* logger, int32_t version): expected 1, the compiler says 0\n',
    )
  })
})
