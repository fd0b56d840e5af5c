/**
 * A script for `runSanitized`: runs one kernel of fixtures/bugs.cu on 512 bytes of device memory.
 * Arguments: kernel, and where it reads or writes, in int32 elements.
 */
import { Harness } from './harness.ts'

const [kernel, at] = process.argv.slice(2)
const sim = await Harness.build('bugs')
sim.start()
const out = sim.upload(new Int32Array(128))
console.log(`result ${sim.run({ kernel: kernel!, sharedBytes: 512, parameters: [out, BigInt(at!)] })}`)
