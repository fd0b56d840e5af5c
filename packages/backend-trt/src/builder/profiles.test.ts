import type { TensorInfo } from '@lowlat/core'
import { describe, expect, it } from 'vitest'
import { parseTrtOptions } from '../options.ts'
import { nativeProfiles, profilesFor } from './profiles.ts'

const info = (name: string, ...shape: TensorInfo['shape']): TensorInfo => ({ name, dtype: 'float32', shape })
const profiles = (inputs: TensorInfo[], options: Record<string, unknown> = {}, given = []) =>
  profilesFor(inputs, given, parseTrtOptions(options))
const range = (min: number, opt: number, max: number) => ({ min, opt, max })

describe('profiles of a model', () => {
  it('are none for fixed shapes', () => {
    expect(profiles([info('x', 1, 3)])).toEqual([])
  })

  it('have the batch from 1 to 16, or as the options say', () => {
    const inputs = [info('x', 'batch', 3), info('mask', 'batch', 1), info('fixed', 4)]
    expect(profiles(inputs)).toEqual([
      { x: { min: [1, 3], opt: [1, 3], max: [16, 3] }, mask: { min: [1, 1], opt: [1, 1], max: [16, 1] } },
    ])
    expect(profiles(inputs, { defaultRange: range(2, 4, 8) })[0]!.x!.opt).toEqual([4, 3])
    expect(profiles(inputs, { axisRanges: { batch: range(2, 3, 4) } })[0]!.x!.opt).toEqual([3, 3])
  })

  it('have other axes by their names', () => {
    const image = info('image', 'batch', 3, 'height', 'width')
    const axisRanges = { height: range(128, 224, 512), width: range(64, 224, 640) }
    expect(profiles([image], { axisRanges })).toEqual([
      { image: { min: [1, 3, 128, 64], opt: [1, 3, 224, 224], max: [16, 3, 512, 640] } },
    ])
    expect(() => profiles([image], { axisRanges: { depth: range(1, 1, 1) } })).toThrow(/'depth'/)
  })

  it('are to be given for axes that nobody can guess, and written out then', () => {
    const inputs = [info('image', 'batch', 3, 'height', 'width')]
    expect(() => profiles(inputs)).toThrow(
      expect.objectContaining({
        code: 'PROFILE_INVALID',
        message: expect.stringContaining(
          'profiles: [{"image":{"min":[1,3,1,1],"opt":[1,3,224,224],"max":[16,3,512,512]}}]',
        ),
        expected: ['height', 'width'],
      }),
    )
  })

  it('are checked before anything is built', () => {
    const given = [{ y: { min: [1], opt: [1], max: [1] } }]
    expect(() => profilesFor([info('x', 'n')], given, parseTrtOptions({}))).toThrow(/names the input 'y'/)
  })

  it('carry the values of inputs that are shapes', () => {
    const inputs = [info('x', 'n'), info('size', 2)]
    const values = { min: [1, 1], opt: [8, 8], max: [64, 64] }
    const native = nativeProfiles(inputs, profiles(inputs), { size: values })
    expect(native[0]!.size).toEqual({ ...values, values: true })
    expect(nativeProfiles([info('size', 2)], [], { size: values })).toEqual([{ size: { ...values, values: true } }])
    expect(() => nativeProfiles(inputs, [], { other: values })).toThrow(/'other'/)
  })
})
