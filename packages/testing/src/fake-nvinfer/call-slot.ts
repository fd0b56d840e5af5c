// Calls a slot of a builder's vtable that should not be called: node call-slot.ts LIBRARY VERSION SLOT
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import koffi from 'koffi'
import { packageFolder } from '../package-folder.ts'

const [path = '', version = '', what = ''] = process.argv.slice(2)
const library = koffi.load(path)
const create = library.func('createInferBuilder_INTERNAL', 'uint64', ['uint64', 'int'])
const call = koffi.proto('void Slot(uint64 self)')
const words = (address: bigint | number, count: number): bigint[] =>
  Array.from(new BigUint64Array(koffi.view(BigInt(address), 8 * count)))

/** Of a builder, by the tables. */
function slotOf(name: string): number {
  const table = join(packageFolder, `../backend-trt/abi/trt${version.slice(0, 2)}.json`)
  const { classes } = JSON.parse(readFileSync(table, 'utf8'))
  return Number(name) >= 0 ? Number(name) : classes.Builder.methods[name.replace('Builder.', '')].slot
}

const builder = create(0, Number(version)) as bigint
const [vtable, implementation] = words(builder, 2)
const callSlot = (table: bigint, slot: number, self: bigint) => koffi.call(words(table, slot + 1)[slot]!, call, self)
if (what === 'destroyed') callSlot(vtable!, 1, BigInt(builder))
const slot = slotOf(what === 'destroyed' ? 'createBuilderConfig' : what)
callSlot(words(implementation!, 1)[0]!, slot, implementation!)
