import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

import { nodeProgram, productRoot } from '@biotrakr/embedded'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { hasSocat, itNeeding } from '../needs.ts'
import { HOST_SESSIONS } from './host-sessions.ts'

const TEST_MS = 60_000
const EPC = '30340000000000000000002A'

let folder: string
let running: ChildProcess[]
let lines: Duplex[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'biotrakr-simulate-'))
  running = []
  lines = []
})
afterEach(async () => {
  for (const line of lines) line.destroy()
  for (const child of running) {
    const ended = child.exitCode === null ? once(child, 'close') : undefined
    child.kill('SIGTERM')
    await ended
  }
  rmSync(folder, { recursive: true, force: true })
})

/** The command itself in a process of its own. @returns what it said once it was ready */
async function simulate(...words: string[]): Promise<string> {
  const { args, env } = nodeProgram('agent', ['simulate', 'reader', ...words])
  const child = spawn(process.execPath, [...args], {
    cwd: productRoot,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.push(child)
  let said = ''
  child.stdout?.on('data', (text: Buffer) => {
    said += text.toString()
  })
  child.stderr?.on('data', (text: Buffer) => {
    said += text.toString()
  })
  while (!said.includes('simulated reader')) {
    if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${said}`)
    await sleep(20)
  }
  return said.trim()
}

/** A host of few words: sends bytes and collects what comes. */
class Host {
  heard = ''
  private readonly line: Duplex

  constructor(line: Duplex) {
    this.line = line
    lines.push(line)
    line.on('data', (bytes: Buffer) => {
      this.heard += bytes.toString('hex')
    })
    line.on('error', () => undefined)
  }

  /** @returns what was heard until it fits, without what was heard before */
  async ask(sent: string, told: string): Promise<string> {
    this.heard = ''
    this.line.write(Buffer.from(sent, 'hex'))
    const wanted = new RegExp(told)
    while (!wanted.test(this.heard)) await sleep(5)
    return this.heard
  }
}

async function overTcp(said: string): Promise<Host> {
  const { hostname, port } = new URL(said.slice(said.indexOf('tcp://')))
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  return new Host(socket)
}

function sessionOf(profile: string) {
  return HOST_SESSIONS.find((session) => session.profile === profile)?.exchanges ?? []
}

const MERCURY = {
  region: 'ff0197014bbc',
  start: 'ff102f00000122000005072210001b00fa0fffb40b',
  stop: 'ff032f0000025e86',
}

/** An R200 polled between two reads: "inventory failed", code 0x15. A host polls again. */
const NO_TAG = 'bb01ff000115167e'

describe('biotrakr simulate reader', () => {
  it(
    'on TCP serves the start-up and first read of the vendor’s host library, with the tags of a file',
    async () => {
      const tags = join(folder, 'tags.txt')
      writeFileSync(tags, `# a crash cart\n{"epc":"${EPC}","antenna":2,"rssiDbm":-61}\n`)
      const said = await simulate('--profile', 'thingmagic-mercury', '--listen', 'tcp://127.0.0.1:0', '--tags', tags)
      expect(said).toMatch(/^simulated reader thingmagic-mercury at tcp:\/\/127\.0\.0\.1:\d+$/)
      const host = await overTcp(said)
      for (const [sent, told] of sessionOf('thingmagic-mercury')) {
        const heard = await host.ask(sent, told)
        if (sent.startsWith('ff0329')) expect(heard).toContain(EPC.toLowerCase())
      }
    },
    TEST_MS,
  )

  itNeeding(hasSocat, 'socat')(
    'on a pty serves the session of a foreign host',
    async () => {
      const link = join(folder, 'reader')
      expect(await simulate('--profile', 'magicrf-r200', '--pty', link)).toBe(
        `simulated reader magicrf-r200 at ${link}`,
      )
      const terminal = spawn('socat', ['-', `${link},raw,echo=0`], { stdio: ['pipe', 'pipe', 'ignore'] })
      running.push(terminal)
      const host = new Host(Duplex.from({ readable: terminal.stdout, writable: terminal.stdin }))
      for (const [sent, told] of sessionOf('magicrf-r200')) {
        let heard = NO_TAG
        while (heard.startsWith(NO_TAG)) heard = await host.ask(sent, `^(${told}|${NO_TAG})`)
      }
    },
    TEST_MS,
  )

  it(
    'reads as often as --rate says, and not at all at 0',
    async () => {
      const counts: number[] = []
      for (const rate of ['0', '100']) {
        const said = await simulate('--profile', 'thingmagic-mercury', '--listen', 'tcp://127.0.0.1:0', '--rate', rate)
        const host = await overTcp(said)
        await host.ask(MERCURY.region, '^ff0097')
        await host.ask(MERCURY.start, 'ff072f')
        await sleep(2_000)
        counts.push(host.heard.split('22000010001b0fff01').length - 1)
      }
      const [none, some] = counts
      expect(none).toBe(0)
      expect(some).toBeGreaterThan(0)
    },
    TEST_MS,
  )

  it(
    'puts noise in front of every frame at --noise 1, and the frame is still there',
    async () => {
      const said = await simulate('--profile', 'thingmagic-mercury', '--listen', 'tcp://127.0.0.1:0', '--noise', '1')
      const host = await overTcp(said)
      const replies: string[] = []
      for (let n = 0; n < 5; n++) replies.push(await host.ask(MERCURY.region, 'ff00970000779e'))
      for (const reply of replies) expect(reply).toMatch(/^(?:..){1,8}ff00970000779e$/)
    },
    TEST_MS,
  )

  it(
    'with LLRP serves the start of sllurp and reports tags',
    async () => {
      const host = await overTcp(await simulate('--profile', 'llrp', '--listen', 'tcp://127.0.0.1:0', '--rate', '50'))
      while (!host.heard.startsWith('043f')) await sleep(5)
      for (const [sent, told] of LLRP_START) await host.ask(sent, told)
      while (!host.heard.includes('043d')) await sleep(5)
      await host.ask('040e0000000a00000063', '04040000001200000063011f000800000000')
    },
    TEST_MS,
  )
})

/** Success in a response: LLRPStatus of code 0 without words. */
const ok = (type: string, id: string) => `04${type}00000012000000${id}011f000800000000`

/** Recorded: sllurp@836944c `inventory` against this simulator. */
const LLRP_START: readonly (readonly [string, string])[] = [
  ['04010000000b0000000100', '^040b........00000001011f000800000000'],
  ['0402000000110000000200000000000000', '^040c........00000002011f000800000000'],
  ['04400000000a00000003', ''],
  [
    '040300000057000000040000f4004300f5000700000000f5000700010000f5000700020000f5000700030000f5000700040000' +
      'f5000700050000f5000700060000f5000700070000f5000700080000dc0009010000ea60',
    ok('0d', '04'),
  ],
  ['04290000000e0000000500000000', ok('33', '05')],
  ['04150000000e0000000600000000', ok('1f', '06')],
  [
    '0414000000700000000700b1006600000001000000b2001200b300050100b6000901000003e800b700380001000100b8000901000003' +
      'e800ba002700010100de0020000100e0000a000100010056014a0010000150000b8000040000000000ed001201000000ee000b0980015c000500',
    ok('1e', '07'),
  ],
  ['04180000000e0000000800000001', ok('22', '08')],
]
