import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

import { readOptions } from './options.ts'

describe('the command line of the launcher', () => {
  it('has a sensible answer to everything', () => {
    expect(readOptions([])).toEqual({
      forSeconds: undefined,
      seed: 1,
      json: false,
      replay: undefined,
      speed: undefined,
      data: resolve('.biotrakr'),
      port: 8080,
      postgres: 'auto',
      broker: 'auto',
    })
  })

  it('takes every option', () => {
    const words =
      '--for 45.5 --seed 7 --json --replay /data/flat --speed 12 --data /d --port 81 --postgres system --broker aedes'
    expect(readOptions(words.split(' '))).toEqual({
      forSeconds: 45.5,
      seed: 7,
      json: true,
      replay: '/data/flat',
      speed: 12,
      data: '/d',
      port: 81,
      postgres: 'system',
      broker: 'aedes',
    })
  })

  it('says every problem at once', () => {
    const words = '--for never --seed -1 --replay --speed 0 --port 70000 --broker kafka --colour extra'
    expect(() => readOptions(words.split(' '))).toThrow(
      [
        'the command line has 8 problems:',
        '--colour: unknown',
        'extra: unknown',
        '--for: must be a number from 1 to 31536000',
        '--seed: must be a whole number from 0 to 4294967295',
        '--replay: needs a folder',
        '--speed: must be a number from 0.01 to 10000',
        '--port: must be a whole number from 1 to 65535',
        '--broker: must be one of auto, mosquitto, aedes',
      ].join('\n  '),
    )
  })

  it('refuses a speed for a ward that runs in real time', () => {
    expect(() => readOptions(['--speed', '5'])).toThrow(/--speed: only goes with --replay/)
  })
})
