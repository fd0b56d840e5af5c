import { afterEach, describe, expect, it, vi } from 'vitest'
import { flagKnob, integerKnob, listKnobs, stringKnob } from './knobs.ts'
import './plan-cache.ts'

const integer = integerKnob({ name: 'LOWLAT_TEST_INTEGER', description: 'A.', default: 7, min: 1, max: 100 })
const flag = flagKnob({ name: 'LOWLAT_TEST_FLAG', description: 'B.', default: false })
const text = stringKnob({ name: 'LOWLAT_TEST_TEXT', description: 'C.', default: '', defaultText: 'nothing' })

describe('knobs', () => {
  afterEach(() => vi.unstubAllEnvs())

  it('have their default while unset or empty', () => {
    expect([integer.read(), flag.read(), text.read()]).toEqual([7, false, ''])
    vi.stubEnv('LOWLAT_TEST_INTEGER', '')
    expect(integer.read()).toBe(7)
  })

  it('read the environment anew each time', () => {
    vi.stubEnv('LOWLAT_TEST_INTEGER', '42')
    vi.stubEnv('LOWLAT_TEST_FLAG', '1')
    vi.stubEnv('LOWLAT_TEST_TEXT', ' as it is ')
    expect([integer.read(), flag.read(), text.read()]).toEqual([42, true, ' as it is '])
    vi.stubEnv('LOWLAT_TEST_FLAG', '0')
    const { read } = integer
    expect([read(), flag.read()]).toEqual([42, false])
  })

  it.each(['0', '101', '1.5', '1e1', '0x10', 'many', ' ', '9007199254740993', 'Infinity'])(
    'refuse %j as an integer from 1 to 100',
    (value) => {
      vi.stubEnv('LOWLAT_TEST_INTEGER', value)
      expect(() => integer.read()).toThrow(
        expect.objectContaining({
          name: 'ConfigError',
          code: 'KNOB_INVALID',
          message: `Expected an integer from 1 to 100 in the environment variable LOWLAT_TEST_INTEGER, got '${value}'. Unset it for the default (7).`,
          received: value,
        }),
      )
    },
  )

  it.each(['true', 'yes', '2', ' 1'])('refuse %j as a flag', (value) => {
    vi.stubEnv('LOWLAT_TEST_FLAG', value)
    expect(() => flag.read()).toThrow(expect.objectContaining({ code: 'KNOB_INVALID', received: value }))
  })

  it('are listed by name, with what they are for and their default in words', () => {
    const knobs = listKnobs()
    const names = knobs.map((knob) => knob.name)
    expect(names).toEqual([...names].sort())
    expect(names).toEqual(expect.arrayContaining(['LOWLAT_CACHE_DIR', 'LOWLAT_CACHE_MAX_BYTES', 'LOWLAT_TEST_TEXT']))
    expect(knobs.every((knob) => knob.description.endsWith('.') && knob.defaultText.length > 0)).toBe(true)
    expect(text.defaultText).toBe('nothing')
  })
})
