import { parseArgs } from 'node:util'
import { cutPower } from './power-loss.ts'

/** Images of a full store are the largest and take the longest. */
const LIVES = [
  ['plain', 0.5],
  ['migration', 0.35],
  ['full', 0.15],
] as const

const HELP = `npm run powercut -- [--images 10000] [--seed 1] [--synchronous FULL|NORMAL|OFF]

Records what the store writes and syncs, rebuilds its files as power cuts at random moments would leave them, and opens
them. Each life of the store has its share of the images: ${LIVES.map(([name]) => name).join(', ')}. Exit code 1 when anything is corrupt or lost.
`

const MODES = ['FULL', 'NORMAL', 'OFF'] as const

function run(): void {
  const { values } = parseArgs({
    options: {
      images: { type: 'string', default: '10000' },
      seed: { type: 'string', default: '1' },
      synchronous: { type: 'string', default: 'FULL' },
      help: { type: 'boolean', default: false },
    },
  })
  const images = Number(values.images)
  const seed = Number(values.seed)
  const synchronous = MODES.find((mode) => mode === values.synchronous)
  if (values.help || !(images >= 3 && images <= 1e6) || !Number.isInteger(seed) || !synchronous) {
    process.stderr.write(HELP)
    process.exitCode = values.help ? 0 : 2
    return
  }
  const startMs = performance.now()
  for (const [i, [life, share]] of LIVES.entries()) {
    const found = cutPower({ life, images: Math.round(images * share), seed: seed + i, synchronous })
    const seconds = ((performance.now() - startMs) / 1000).toFixed(0)
    process.stdout.write(
      `${life}: ${found.images} images, ${found.corrupt} corrupt, ${found.lost} with a loss (${seconds} s)\n`,
    )
    for (const example of found.examples) process.stdout.write(`  ${example}\n`)
    if (found.corrupt + found.lost > 0) process.exitCode = 1
  }
}

run()
