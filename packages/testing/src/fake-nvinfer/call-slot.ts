// Calls a slot of a builder's vtable that should not be called: node call-slot.ts LIBRARY VERSION SLOT
import { RawNvinfer } from './raw.ts'

const [path = '', version = '', what = ''] = process.argv.slice(2)
const raw = new RawNvinfer(path, Number(version))
const builder = raw.builder()
if (what === 'destroyed') {
  raw.destroy(builder)
  raw.call('Builder.createBuilderConfig', builder)
}
raw.callSlot(Number(what) >= 0 ? Number(what) : raw.slotOf(what), builder)
