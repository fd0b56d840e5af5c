import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findCompiler } from '../../scripts/abi-compiler.mjs'
import { headerText, writeHeader } from '../../scripts/abi-cpp.mjs'
import type { Table } from '../../scripts/abi-table.mjs'

const compiler = findCompiler()
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lowlat-abi-test-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What the compiler says about a source that includes the header; empty where it has nothing to say. */
function compile(source: string) {
  writeFileSync(join(folder, 'use.cpp'), `#include "abi_tables.h"\nusing namespace lowlat_trt;\n${source}\n`)
  const flags = ['-std=c++17', '-Wall', '-Wextra', '-pedantic', '-Werror', '-fsyntax-only', 'use.cpp']
  return spawnSync(compiler!, flags, { cwd: folder, encoding: 'utf8' }).stderr
}

const table = (major: number, part: Partial<Table>): Table => ({
  major,
  from: `${major}.0.0`,
  to: `${major}.9.1`,
  classes: {},
  exceptions: [],
  enums: {},
  ...part,
})

describe.skipIf(!compiler)('abi_tables.h (skipped where there is no compiler)', () => {
  it('answers for made-up majors as their tables do', () => {
    const seven = table(7, {
      classes: {
        Engine: {
          through: 'impl',
          methods: {
            run: { slot: 2, type: 'void(const char*, int64_t)' },
            stop: { slot: 3, type: 'bool()' },
            shape: { slot: 4, type: 'Dims(const void*)', since: '7.2.0' },
          },
        },
      },
      exceptions: [{ from: '7.2.0', to: '7.2.x', class: 'Engine', insertedAt: 3, inserted: 'shape' }],
      enums: { Mode: { kON: 1, k3D: { value: 2, since: '7.5.1' }, kALSO_ON: 1 } },
    })
    const eight = table(8, {
      classes: {
        Engine: { through: 'impl', methods: { run: { slot: 5, type: 'bool(const char*, int64_t)' } } },
        Logger: {
          through: 'callback',
          size: 1,
          interface: { kind: 'LOGGER', major: 1, minor: 3 },
          methods: { log: { slot: 0, type: 'void(int32_t, const char*)' } },
        },
      },
      enums: { Mode: { kON: 4 } },
    })
    writeFileSync(join(folder, 'abi_tables.h'), headerText([seven, eight]))
    const messages = compile(`
      static_assert(kClassCount == 2 && kMethodCount == 4);
      static_assert(isKnownMajor(70000) && !isKnownMajor(90000) && majorOf(80901) == 8);
      static_assert(slotOf(70100, Method::Engine_shape) == -1 && slotOf(70900, Method::Engine_shape) == 4);
      static_assert(slotOf(70205, Method::Engine_shape) == 3 && slotOf(70205, Method::Engine_stop) == 4);
      static_assert(slotOf(70205, Method::Engine_run) == 2 && slotOf(80000, Method::Engine_run) == 5);
      static_assert(slotOf(80000, Method::Engine_stop) == -1 && slotOf(90000, Method::Engine_run) == -1);
      static_assert(sinceOf(7, Method::Engine_shape) == 70200 && sinceOf(8, Method::Engine_shape) == 0);
      static_assert(methodAt(70205, Class::Engine, 3) == Method::Engine_shape && methodAt(70000, Class::Engine, 1) == Method::None);
      static_assert(slotCount(70000, Class::Engine) == 4 && slotCount(70000, Class::Logger) == 0 && slotCount(80000, Class::Logger) == 1);
      static_assert(interfaceOf(8, Class::Logger).minor == 3 && interfaceOf(7, Class::Logger).kind == nullptr);
      static_assert(throughOf(Class::Logger) == Through::Callback && classOf(Method::Logger_log) == Class::Logger);
      static_assert(sameText(methodName(Method::Engine_run), "Engine.run") && sameText(className(Class::Logger), "Logger"));
      constexpr int32_t mode(int32_t version, const char* key) {
        int32_t value = -1;
        return enumValue(version, "Mode", key, &value) ? value : -1;
      }
      static_assert(mode(70000, "ON") == 1 && mode(80000, "ON") == 4 && mode(70000, "3D") == -1 && mode(70501, "3D") == 2);
      static_assert(sameText(enumName(70000, "Mode", 1), "ON") && enumName(70500, "Mode", 2) == nullptr);
      struct Shape { int32_t count; int64_t extents[8]; };
      static_assert(isTypeOf<Shape, const void*>(7, Method::Engine_shape) && !isTypeOf<bool, const void*>(7, Method::Engine_shape));
      static_assert(isTypeOf<bool, const char*, int64_t>(8, Method::Engine_run) && !isTypeOf<bool, const char*, int64_t>(7, Method::Engine_run));
      static_assert(isCallOf<void, const char*, int64_t>(Method::Engine_run) && !isCallOf<bool, const char*, int64_t>(Method::Engine_run));
      static_assert(isImplementedBy<bool, const char*, int64_t>(Method::Engine_run) && !isImplementedBy<void, const char*, int64_t>(Method::Engine_run));
      static_assert(isImplementedBy<void, int32_t, const char*>(Method::Logger_log) && !isImplementedBy<void, int32_t>(Method::Logger_log));
      static_assert(!isCallOf<void, const char*, uint64_t>(Method::Engine_run) && !isCallOf<void, const void*>(Method::Engine_shape));
    `)
    expect(messages).toBe('')
    expect(compile('static_assert(slotOf(70000, Method::Engine_run) == 3);')).toContain('static assertion failed')
  })

  it('reaches objects through their implementation, and ours as they are', () => {
    writeHeader(join(folder, 'abi_tables.h'))
    writeFileSync(
      join(folder, 'use.cpp'),
      `#include "abi_tables.h"
      using namespace lowlat_trt;
      static int destroyed = 0;
      static int add(void* self, int n) { return *reinterpret_cast<int*>(static_cast<void**>(self) + 1) + n; }
      static void destroy(void*) { destroyed++; }
      int main() {
        constexpr int slot = slotOf(110000, Method::Builder_createNetworkV2);
        void* implTable[slot + 1] = {};
        implTable[slot] = reinterpret_cast<void*>(&add);
        struct { void** vtable; int value; } impl{implTable, 40};
        void* publicTable[2] = {nullptr, reinterpret_cast<void*>(&destroy)};
        struct { void** vtable; void* impl; } object{publicTable, &impl};
        auto method = Method::Builder_createNetworkV2;
        auto call = reinterpret_cast<int (*)(void*, int)>(vtableOf(method, &object)[slot]);
        if (call(selfOf(method, &object), 2) != 42) return 1;
        if (selfOf(Method::OnnxParser_parse, &object) != &object) return 2;
        destroyPublic(&object);
        destroyPublic(nullptr);
        return destroyed == 1 ? 0 : 3;
      }`,
    )
    const built = spawnSync(compiler!, ['-std=c++17', 'use.cpp', '-o', 'use'], { cwd: folder, encoding: 'utf8' })
    expect(built.stderr).toBe('')
    expect(spawnSync(join(folder, 'use')).status).toBe(0)
  })
})
