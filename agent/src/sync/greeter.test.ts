import type { Hello } from '@biotrakr/shared'
import { describe, expect, it } from 'vitest'

import { createGreeter, type Told } from './greeter.ts'
import { handClock } from './test-centre.ts'

const epochs = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ epoch: `${i + 1}-00000000000000aa`, first: 1, last: 10, acked: 0 }))

function greeterBench() {
  const clock = handClock()
  const hellos: Hello['epochs'][] = []
  const welcomes: Told[] = []
  const greeter = createGreeter({
    clock,
    random: () => 0,
    send: (page) => hellos.push(page),
    welcomed: (_held, told) => welcomes.push(told),
  })
  const answerLast = () => greeter.answer((hellos.at(-1) ?? []).map(({ epoch }) => ({ epoch, hw: 5 })))
  return { clock, hellos, welcomes, greeter, answerLast }
}

describe('the hello', () => {
  it('is said again after 3 s, 6 s, 12 s and then every 30 s until the centre answers', () => {
    const { clock, hellos, greeter, answerLast, welcomes } = greeterBench()
    greeter.begin(epochs(1))
    const counts = [2_999, 1, 6_000, 12_000, 24_000, 30_000, 30_000].map((ms) => {
      clock.advance(ms)
      return hellos.length
    })
    expect(counts).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(answerLast()).toBe(true)
    clock.advance(600_000)
    expect(hellos).toHaveLength(7)
    expect(welcomes).toHaveLength(1)
  })

  it('is said even when nothing is held', () => {
    const { hellos, greeter, answerLast, welcomes } = greeterBench()
    greeter.begin([])
    expect(hellos).toEqual([[]])
    expect(answerLast()).toBe(true)
    expect(welcomes).toEqual([[]])
  })

  it('names a great many epochs on several pages and welcomes only when all are answered', () => {
    const { hellos, greeter, answerLast, welcomes } = greeterBench()
    greeter.begin(epochs(2_500))
    expect(answerLast()).toBe(true)
    expect(answerLast()).toBe(true)
    expect(welcomes).toHaveLength(0)
    expect(answerLast()).toBe(true)
    expect(hellos.map((page) => page.length)).toEqual([1_000, 1_000, 500])
    expect(welcomes[0]).toHaveLength(2_500)
  })

  it('takes no answer that names too little, and none that comes unasked', () => {
    const { greeter, welcomes } = greeterBench()
    expect(greeter.answer([])).toBe(false)
    greeter.begin(epochs(2))
    expect(greeter.answer([{ epoch: '1-00000000000000aa', hw: 3 }])).toBe(false)
    greeter.cancel()
    expect(greeter.answer(epochs(2).map(({ epoch }) => ({ epoch, hw: 1 })))).toBe(false)
    expect(welcomes).toEqual([])
  })
})
