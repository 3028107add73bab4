import { type Account, serverAccount } from './account.ts'
import type { ChildEvent } from './child.ts'
import { type DataFolder, openDataFolder } from './data-folder.ts'
import { createDisplay, type Display, type Summary } from './display.ts'
import { Household } from './household.ts'
import { takeLock } from './launcher-lock.ts'
import { endLeftovers } from './leftovers.ts'
import type { Options } from './options.ts'
import { type Product, startProduct } from './product.ts'
import { commandStartMs } from './started.ts'
import { chooseStory, type Story } from './story.ts'
import { readingsWhenStopped, round, summarise } from './summary.ts'
import { type Watched, watchRun } from './watch.ts'

export const EXIT = { ok: 0, failed: 1, usage: 2, loss: 3 } as const

interface LaunchOptions {
  /** The wish to end in an orderly way. */
  readonly stop: AbortSignal
  /** Told of the children before there are any, so that whoever does not want to wait can kill them. */
  readonly onHousehold: (household: Household) => void
}

/**
 * One run from start to end.
 * @returns the exit code
 * @throws BioTrakrError when something cannot be brought up or does not stay up
 */
export async function launch(options: Options, { stop, onHousehold }: LaunchOptions): Promise<number> {
  const beginMs = Date.now()
  const commandMs = commandStartMs(beginMs)
  const endMs = options.forSeconds === undefined ? undefined : beginMs + options.forSeconds * 1000
  const account = serverAccount()
  const folder = openDataFolder(options.data, account)
  const lock = takeLock(folder.path)
  const failure = new AbortController()
  let display: Display | undefined
  const onEvent = (event: ChildEvent) => {
    if (event.kind === 'failed') failure.abort(event.error)
    if (event.kind === 'died') display?.say(`${event.child} ${event.how}; starting it again in ${event.retryMs} ms`)
  }
  const household = new Household({ random: Math.random, onEvent })
  onHousehold(household)
  try {
    const ended = await endLeftovers(folder)
    const story = chooseStory({ ...options, wardStartMs: wardStart(folder, beginMs), endMs })
    display = createDisplay({ json: options.json, rooms: story.siteMap.rooms.map(({ id }) => id) })
    if (ended.length > 0) display.say(`ended what a killed start had left behind: ${ended.join(', ')}`)
    const times = { commandMs, beginMs, endMs }
    return await runOnce({ options, folder, account, story, household, display, stop, failure: failure.signal, times })
  } finally {
    await household.stopAll()
    lock.release()
  }
}

/** The ward's story goes on over restarts, so its tags have moved meanwhile. */
function wardStart({ memory }: DataFolder, nowMs: number): number {
  const known = memory.get('wardStartMs')
  if (known !== undefined && known <= nowMs) return known
  memory.set('wardStartMs', nowMs)
  return nowMs
}

interface Run {
  readonly options: Options
  readonly folder: DataFolder
  readonly account: Account | undefined
  readonly story: Story
  readonly household: Household
  readonly display: Display
  readonly stop: AbortSignal
  /** Aborted, with the error as its reason, when a process does not stay up. */
  readonly failure: AbortSignal
  readonly times: { readonly commandMs: number; readonly beginMs: number; readonly endMs: number | undefined }
}

async function runOnce(run: Run): Promise<number> {
  const { folder, story, display, stop, failure, times } = run
  display.say(`${story.title}; kept in ${folder.path}`)
  const product = await startUnlessStopped(run)
  if (!product) return EXIT.ok
  try {
    const { webUrl, agentApiPort, database, broker } = product
    display.say(`${database}, ${broker}`)
    display.say(`page   ${webUrl}`)
    display.say(`agent  http://127.0.0.1:${agentApiPort}/health and /metrics`)
    const watched = await watchRun(product, { story, display, ...times, signal: AbortSignal.any([stop, failure]) })
    if (failure.aborted) throw failure.reason
    display.say(`${watched.why}: the gateway hands over what it holds`)
    return await endRun(run, product, watched)
  } finally {
    await product.pool.end()
  }
}

/** A wish to end does not wait for processes that are still coming up. */
async function startUnlessStopped(run: Run): Promise<Product | undefined> {
  const { household, display, stop } = run
  const stopNow = () => void household.stopAll()
  stop.addEventListener('abort', stopNow, { once: true })
  try {
    const product = await startProduct({ ...run, say: display.say })
    if (!stop.aborted) return product
    await product.pool.end()
  } catch (error) {
    if (!stop.aborted) throw error
  } finally {
    stop.removeEventListener('abort', stopNow)
  }
  return undefined
}

/** The gateway ends first and flushes, then the centre; the database is asked while it still runs. */
async function endRun(run: Run, product: Product, watched: Watched): Promise<number> {
  const { story, folder, household, display, times } = run
  const { time } = product.schedule
  const now = Date.now()
  const playedToMs = time ? time.eventStartMs + (now - time.realStartMs) * time.speed : now
  for (const name of ['agent', 'serve', 'ingest', 'maintain']) await household.stop(name)
  const lastCount = readingsWhenStopped(product.agentLog)
  if (lastCount !== undefined) watched.readings.take(lastCount)
  const summary = await summarise(product, {
    mode: story.mode,
    gateway: story.gateway,
    data: folder.path,
    seconds: round((Date.now() - times.beginMs) / 1000, 1),
    readings: watched.readings.sum,
    ackP99Ms: watched.ackP99Ms,
    firstFixMs: watched.firstFixMs,
    restarts: household.restarts(),
    playedToMs,
  })
  display.finish(summary)
  const { readings = 0 } = story
  if (summary.readings < readings) display.say(`heard ${summary.readings} of the ${readings} readings of the recording`)
  return judgeRun(summary, display)
}

function judgeRun({ lost, duplicated, waiting, lostRuns }: Summary, display: Display): number {
  if (lost + duplicated > 0) {
    const named = lostRuns.map(({ epoch, first, last }) => `${epoch}: ${first}-${last}`).join(', ')
    display.say(`lost ${lost}, duplicated ${duplicated}${named ? `; lost are ${named}` : ''}`)
    return EXIT.loss
  }
  if (waiting === 0) return EXIT.ok
  display.say(
    `${waiting} records could not be handed over in time; the gateway keeps them and the next start sends them`,
  )
  return EXIT.failed
}
