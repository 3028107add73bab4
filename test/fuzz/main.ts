import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

import { openProfiles } from '@biotrakr/agent'

import { type FuzzResult, fuzzProfile } from './fuzz.ts'

const HELP = `npm run fuzz -- [--frames N] [--profile ID] [--seed N]

N mutated frames (200,000 unless told) into each profile, or into one: the gateway's side and the simulated reader's.
Prints one line a profile; exit code 1 when anything was thrown or hung.
`
/** Without any progress for this long a profile hangs; between two signs of it lie 10,000 frames. */
const HANG_MS = 30_000

interface Task {
  readonly profile: string
  readonly frames: number
  readonly seed: number
}

if (isMainThread) await main(process.argv.slice(2))
else work(workerData as Task)

function work({ profile, frames, seed }: Task): void {
  const result = fuzzProfile(openProfiles().load(profile), {
    frames,
    seed,
    onProgress: (done) => parentPort?.postMessage(done),
  })
  parentPort?.postMessage(result)
}

async function main(words: readonly string[]): Promise<void> {
  const store = openProfiles()
  const all = store.ids.filter((id) => !store.isBuiltIn(id))
  const options = parse(words)
  if (options === undefined || (options.profile !== undefined && !all.includes(options.profile))) {
    process.stderr.write(HELP)
    process.exitCode = 2
    return
  }
  const { frames, seed, profile } = options
  for (const id of profile === undefined ? all : [profile]) {
    const startMs = performance.now()
    const result = await fuzzApart({ profile: id, frames, seed })
    const seconds = (performance.now() - startMs) / 1_000
    process.stdout.write(`${line(id, result, seconds)}\n`)
    if (result === undefined || result.throws > 0 || result.overtold > 0) process.exitCode = 1
  }
}

function parse(words: readonly string[]): { frames: number; seed: number; profile?: string } | undefined {
  const found = { frames: 200_000, seed: 1 }
  let profile: string | undefined
  for (let at = 0; at < words.length; at += 2) {
    const value = words[at + 1] ?? ''
    if (words[at] === '--profile') profile = value
    else if (words[at] === '--frames') found.frames = Number(value)
    else if (words[at] === '--seed') found.seed = Number(value)
    else return undefined
  }
  if (!Number.isSafeInteger(found.frames) || found.frames < 1 || !Number.isSafeInteger(found.seed)) return undefined
  return profile === undefined ? found : { ...found, profile }
}

/** In a thread of its own, which can be ended when it hangs: undefined then. */
function fuzzApart(task: Task): Promise<FuzzResult | undefined> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: task })
    let watchdog = setTimeout(hang, HANG_MS)
    function hang(): void {
      void worker.terminate()
      resolve(undefined)
    }
    worker.on('message', (message: number | FuzzResult) => {
      clearTimeout(watchdog)
      if (typeof message === 'number') watchdog = setTimeout(hang, HANG_MS)
      else resolve(message)
    })
    worker.on('error', reject)
  })
}

function line(id: string, result: FuzzResult | undefined, seconds: number): string {
  const head = id.padEnd(20)
  if (result === undefined) return `${head} HANGS`
  const { frames, bytes, throws, overtold, accepted, tags, firstError } = result
  const counts = [
    `${count(frames)} frames`,
    `${count(bytes)} bytes`,
    `${throws} throws`,
    `${overtold} overtold`,
    '0 hangs',
  ]
  const told = `${count(accepted)} accepted with ${count(tags)} tags`
  return `${head} ${counts.join(', ')}; ${told}; ${seconds.toFixed(0)} s${firstError === undefined ? '' : ` ${firstError}`}`
}

function count(value: number): string {
  return value.toLocaleString('en')
}
