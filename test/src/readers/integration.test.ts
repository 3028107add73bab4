import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { listenTcp, openProfiles, openPty, openReader, systemClock, type Wire } from '@biotrakr/agent'
import type { Reading, ReceiverId, TagId } from '@biotrakr/shared'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'

import { seeded } from '../../fuzz/chance.ts'
import { hasSocat } from '../needs.ts'
import { createSpecimen, profileIds, type Specimen } from './plugged.ts'

const RECEIVER = 'door/1' as ReceiverId
const TEST_MS = 90_000
const runsOverPty = hasSocat || process.env['BIOTRAKR_REQUIRE_ALL'] === '1'

/** Where a reader is plugged in, again and again at the same place. */
interface Socket {
  readonly address: string
  plugIn(specimen: Specimen): Promise<void>
  unplug(): Promise<void>
}

async function tcpSocket(): Promise<Socket> {
  let wire = await listenTcp(NOBODY, { host: '127.0.0.1', port: 0 }, systemClock)
  const { address } = wire
  const port = Number(new URL(address).port)
  await wire.stop()
  return {
    address,
    async plugIn({ device }) {
      wire = await listenTcp(device, { host: '127.0.0.1', port }, systemClock)
    },
    unplug: () => wire.stop(),
  }
}

const NOBODY = { connect: () => [], receive: () => [], disconnect: () => undefined, advance: () => [] }

function ptySocket(folder: string): Socket {
  const link = join(folder, 'reader')
  let wire: Wire | undefined
  return {
    address: `serial:${link}`,
    async plugIn({ device }) {
      wire = await openPty(device, link, systemClock)
    },
    async unplug() {
      await wire?.stop()
      rmSync(link, { force: true })
    },
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => systemClock.after(ms, resolve))

/** Waits until it is so; the time is only an end to waiting. */
async function until(isSo: () => boolean, what: () => string, withinMs = 15_000): Promise<void> {
  const endMs = systemClock.monoMs() + withinMs
  while (!isSo()) {
    if (systemClock.monoMs() > endMs) throw new Error(`not within ${withinMs} ms: ${what()}`)
    await pause(10)
  }
}

/**
 * The life of a reader: identified, started, read, disturbed, unplugged, back, rebooted, stopped. One of the two tags in
 * its field is the site's; of the other no trace may be left.
 */
async function live(id: string, socket: Socket): Promise<void> {
  const specimen = createSpecimen(id, seeded(profileIds.indexOf(id) + 1))
  const [own, stranger] = specimen.tags
  const allow = new Set([own as TagId])
  const logged: string[] = []
  const log = pino({ level: 'trace' }, { write: (line) => void logged.push(line) })
  const heard: Reading[] = []
  const source = openReader(
    {
      kind: 'reader',
      name: id,
      address: socket.address,
      allowUnstablePath: true,
      profile: id,
      antennas: { 1: RECEIVER },
      ...specimen.settings,
    },
    { clock: systemClock, allow, random: Math.random, log },
  )
  const status = () => JSON.stringify({ ...source.status(), heard: heard.length })
  const goesOn = (more: number) => {
    const before = heard.length
    return until(() => heard.length >= before + more && source.status().state === 'up', status)
  }
  await socket.plugIn(specimen)
  try {
    await source.start((reading) => heard.push(reading))
    await goesOn(4)
    expect(new Set(heard.map(({ receiver, medium }) => `${receiver} ${medium}`))).toEqual(new Set([`${RECEIVER} RFID`]))
    expect(source.status().profile.fingerprint).toMatch(/^[0-9a-f]{64}$/)
    if (specimen.hasIdentity) expect(source.status().identity).not.toEqual({})

    specimen.disturb(0.2)
    await goesOn(5)
    specimen.disturb(0)

    await socket.unplug()
    await until(() => source.status().problem?.startsWith('PORT_') === true, status)
    specimen.reboot()
    await socket.plugIn(specimen)
    // Within 5 s of its return, and the time of the slowest set-up.
    await goesOn(2)

    if (specimen.restartShows !== 'never') {
      // Younger than this it could have been a moment ago as well, or it has not been asked yet.
      if (specimen.restartShows === 'when asked') await pause(4_000)
      specimen.reboot()
      await goesOn(2)
      await until(specimen.isRadiating, status)
    }

    await source.stop()
    const after = heard.length
    if (!specimen.isPassive) expect(specimen.isRadiating()).toBe(false)
    await pause(200)
    expect([source.status().state, heard.length]).toEqual(['finished', after])
    expect(heard.filter(({ tag }) => tag !== own)).toEqual([])
    expect(source.status().unknownTags).toBeGreaterThan(0)
    const number = stranger?.slice(stranger.lastIndexOf(':') + 1) ?? ''
    expect(`${logged.join('')}${status()}`.toLowerCase()).not.toContain(number)
  } finally {
    await source.stop()
    await socket.unplug()
  }
}

describe.concurrent('a reader is identified, started, read, disturbed, unplugged, back, rebooted and stopped', () => {
  it.each(profileIds)('over TCP: %s', async (id) => live(id, await tcpSocket()), TEST_MS)

  const store = openProfiles()
  const itOverPty = runsOverPty ? it : it.skip
  itOverPty.each(profileIds.filter((id) => !store.isBuiltIn(id)))(
    `over a pty${runsOverPty ? '' : ' (SKIPPED: socat is not on this machine)'}: %s`,
    async (id) => {
      const folder = mkdtempSync(join(tmpdir(), 'biotrakr-reader-'))
      try {
        await live(id, ptySocket(folder))
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
    TEST_MS,
  )
})
