import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

import { inspectOutbox } from '@biotrakr/agent'
import { choosePort } from '@biotrakr/embedded'
import { createWard } from '@biotrakr/sim'
import { afterAll, beforeAll, describe, expect } from 'vitest'

import { hasMosquitto, itNeeding } from './needs.ts'
import { programOf, type Rig, startRig } from './rig.ts'

const YEAR_MS = 365.25 * 86_400_000
const ward = createWard({ seed: 3, startMs: 0 })

/** Loaded before a program: its wall clock is off by the milliseconds in a file, which may change at any time. */
const SHIFTED_CLOCK = `
import { readFileSync } from 'node:fs'
const real = Date.now.bind(Date)
let offMs = 0
let readMs = 0
Date.now = () => {
  const nowMs = real()
  if (nowMs - readMs > 20) {
    readMs = nowMs
    offMs = Number(readFileSync(process.env.BIOTRAKR_TEST_CLOCK, 'utf8')) || 0
  }
  return nowMs + offMs
}
`

describe('an agent process whose clock is wrong, with real broker, ingester and database', () => {
  let rig: Rig
  let agent: ChildProcess | undefined

  beforeAll(async () => {
    if (!hasMosquitto && process.env['BIOTRAKR_REQUIRE_ALL'] !== '1') return
    const rooms = ward.siteMap.rooms.map(({ id }) => id)
    rig = await startRig(['ward-clock'], { rooms, tags: ward.tags })
  }, 60_000)
  afterAll(async () => {
    agent?.kill('SIGKILL')
    await rig?.stop()
  })

  const number = async (sql: string) => Number((await rig.column(sql))[0])
  const outboxFile = () => join(rig.folder('agent'), 'outbox.sqlite')

  async function startAgent(clockFile: string): Promise<{ readonly end: () => Promise<void> }> {
    const { port } = await choosePort(undefined)
    const shift = rig.folder('shifted-clock.mjs')
    writeFileSync(shift, SHIFTED_CLOCK)
    writeFileSync(rig.folder('map.json'), JSON.stringify(ward.siteMap))
    const config = rig.folder('agent.json')
    const document = {
      gateway: 'ward-clock',
      dataDir: rig.folder('agent'),
      siteMap: rig.folder('map.json'),
      tags: ward.tags,
      broker: { url: rig.brokerUrl },
      sources: [{ kind: 'simulated', seed: 3, startMs: 0, tags: ward.tags.length }],
      records: { ledger: 'all' },
      clock: { syncedFile: rig.folder('no-such-file') },
      api: { port },
    }
    writeFileSync(config, JSON.stringify(document))
    const log = openSync(rig.folder('agent.log'), 'a')
    const args = ['--import', pathToFileURL(shift).href, ...programOf('agent', ['run', '--config', config])]
    const env = { ...process.env, BIOTRAKR_TEST_CLOCK: clockFile }
    const cwd = resolve(import.meta.dirname, '../..')
    const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', log, log] })
    closeSync(log)
    agent = child
    const end = async () => {
      child.kill('SIGTERM')
      await once(child, 'exit')
    }
    return { end }
  }

  itNeeding(hasMosquitto, 'mosquitto')(
    'boots in 1970, hears the time from the centre, is set to every time between -56 and +70 years: nothing is lost or misplaced',
    async () => {
      const startMs = Date.now()
      const clockFile = rig.folder('clock')
      writeFileSync(clockFile, String(60_000 - startMs))
      const { end } = await startAgent(clockFile)
      const said = () => readFileSync(rig.folder('agent.log'), 'utf8')
      const fixes = () => {
        try {
          return inspectOutbox(outboxFile()).epochs.reduce((sum, epoch) => sum + epoch.fixes, 0)
        } catch {
          return 0
        }
      }
      await expect.poll(fixes, { timeout: 60_000, interval: 250 }).toBeGreaterThan(40)
      await rig.ingester('ingester')
      const rows = 'select count(*) from telemetry.location_history'
      await expect.poll(() => number(rows), { timeout: 30_000 }).toBeGreaterThan(0)
      for (const years of [0, 70, -56, 1, -1]) {
        const before = await number(rows)
        writeFileSync(clockFile, String(Math.max(60_000 - Date.now(), Math.round(years * YEAR_MS))))
        await expect.poll(() => number(rows), { timeout: 30_000 }).toBeGreaterThan(before + 10)
      }
      await end()
      const epochs = inspectOutbox(outboxFile()).epochs
      const last = epochs.reduce((sum, epoch) => sum + epoch.last, 0)
      expect(said()).toContain('"agent.stopped"')
      await expect.poll(() => number('select sum(hw) from rtls.watermark'), { timeout: 20_000 }).toBe(last)
      await expect.poll(() => number('select count(*) from rtls.staged'), { timeout: 20_000 }).toBe(0)
      expect(await number('select count(*) from rtls.quarantine')).toBe(0)
      const ids = `select stream_id, seq from telemetry.location_history
        union all select stream_id, seq from telemetry.sensor_reading union all select stream_id, seq from telemetry.usage_event
        union all select stream_id, seq from telemetry.receiver_health union all select stream_id, seq from rtls.clock_anchor`
      expect(await number(`select count(*) from (${ids}) x`)).toBe(last)
      expect(await number(`select count(distinct (stream_id, seq)) from (${ids}) x`)).toBe(last)
      expect(await number('select count(*) from rtls.clock_anchor where unsynced')).toBeGreaterThan(0)
      const outside = `t < to_timestamp(${startMs / 1_000 - 61}) or t > now() + interval '61 s'`
      expect(await number(`${rows} where ${outside}`)).toBe(0)
      // The order of the ledger is the order of time, before, at and after every step.
      expect(
        await number(`select count(*) from (select t < max(t) over (partition by stream_id, tag_id order by seq
          rows between unbounded preceding and 1 preceding) as back from telemetry.location_history) x where back`),
      ).toBe(0)
    },
    240_000,
  )
})
