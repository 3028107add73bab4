import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { productRoot } from '@biotrakr/embedded'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { dataFolder, itWithRecordings } from './needs.ts'
import { recordWalk } from './recorded-walk.ts'

const run = promisify(execFile)
const bundle = (workspace: string) => join(productRoot, workspace, 'dist/main.js')

interface Summary {
  readonly mode: string
  readonly readings: number
  readonly fixes: number
  readonly committed: number
  readonly lost: number
  readonly duplicated: number
  readonly waiting: number
  readonly roomAccuracy: number
  readonly firstFixMs: number
  readonly database: string
  readonly broker: string
}

let data: string
let running: ChildProcess | undefined
beforeAll(async () => {
  await run('npm', ['run', '--silent', 'build'], { cwd: productRoot })
}, 120_000)
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'biotrakr-start-'))
})
afterEach(async () => {
  if (running && running.exitCode === null) {
    running.kill('SIGINT')
    await new Promise((resolve) => running?.once('exit', resolve))
  }
  rmSync(data, { recursive: true, force: true })
})

interface Ended {
  readonly code: number | null
  readonly lines: readonly string[]
  readonly summary: Summary | undefined
}

/** Runs the launcher; `onLine` may tell it to stop. */
function start(
  words: readonly string[],
  onLine: (line: string, child: ChildProcess) => void = () => undefined,
): Promise<Ended> {
  const child = spawn(process.execPath, [bundle('embedded'), '--data', data, '--json', ...words], {
    cwd: productRoot,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running = child
  const lines: string[] = []
  const take = (text: string) => {
    for (const line of text.split('\n').filter(Boolean)) {
      lines.push(line)
      onLine(line, child)
    }
  }
  child.stdout.setEncoding('utf8').on('data', take)
  child.stderr.setEncoding('utf8').on('data', take)
  return new Promise((resolve) => {
    child.once('close', (code) => {
      const last = lines.findLast((line) => line.includes('"lost"'))
      resolve({ code, lines, summary: last === undefined ? undefined : (JSON.parse(last) as Summary) })
    })
  })
}

/** Process ids that the launcher wrote down and that are still alive. */
function survivors(): number[] {
  return readdirSync(join(data, 'run'))
    .map((name) => Number.parseInt(readFileSync(join(data, 'run', name), 'utf8'), 10))
    .filter((pid) => {
      try {
        return process.kill(pid, 0)
      } catch {
        return false
      }
    })
}

const nothingLost = { lost: 0, duplicated: 0, waiting: 0 }

describe('npm start', () => {
  it('needs nothing but npm packages: embedded PostgreSQL, aedes, a simulated ward, every fix committed once', async () => {
    const { code, summary } = await start([
      '--for',
      '25',
      '--postgres',
      'embedded',
      '--broker',
      'aedes',
      '--port',
      '18080',
    ])
    expect(summary).toMatchObject({ mode: 'ward', ...nothingLost, broker: expect.stringContaining('aedes') })
    expect(summary?.database).toContain('embedded')
    expect(summary?.committed).toBe(summary?.fixes)
    expect(summary?.fixes).toBeGreaterThanOrEqual(40)
    expect(summary?.roomAccuracy).toBeGreaterThan(0.3)
    expect(code).toBe(0)
    expect(survivors()).toEqual([])
  }, 120_000)

  it('ends every child on Ctrl-C and goes on with its data on the next start', async () => {
    const interrupt = (line: string, child: ChildProcess) => {
      if (line.includes('"committed"') && !line.includes('"committed":0') && !line.includes('"lost"'))
        child.kill('SIGINT')
    }
    const first = await start([], interrupt)
    expect(first.code).toBe(0)
    expect(first.summary).toMatchObject(nothingLost)
    expect(survivors()).toEqual([])
    const second = await start([], interrupt)
    expect(second.code).toBe(0)
    expect(second.summary).toMatchObject(nothingLost)
    const epochs = await run('grep', ['-c', 'agent.started', join(data, 'log/agent.log')])
    expect(Number(epochs.stdout)).toBe(2)
  }, 120_000)

  const replayed = async (folder: string): Promise<void> => {
    const { code, summary } = await start(['--replay', folder, '--speed', '60'])
    expect(summary).toMatchObject({ mode: 'replay', ...nothingLost })
    expect(summary?.committed).toBe(summary?.fixes)
    expect(summary?.fixes).toBeGreaterThan(5)
    expect(code).toBe(0)
  }

  it('plays a recorded walk through three rooms into the database', async () => {
    const folder = join(data, 'recorded')
    recordWalk(folder)
    await replayed(folder)
  }, 120_000)

  for (const name of ['kolakowski-flat', 'danis-lab']) {
    itWithRecordings(
      `plays the recorded drive of ${name} into the database`,
      () => replayed(join(dataFolder, name)),
      120_000,
    )
  }

  it('says every problem of its command line at once, with exit code 2', async () => {
    const { code, lines } = await start(['--for', 'ever', '--seed', '-1', '--colour'])
    expect(code).toBe(2)
    for (const word of ['--for', '--seed', '--colour']) expect(lines.join('\n')).toContain(word)
  })
})

describe('the bundled programs', () => {
  it.each([
    ['agent', 'biotrakr'],
    ['cloud', 'biotrakr-cloud'],
  ])('%s runs from dist with --help and --version', async (workspace, name) => {
    const help = await run(process.execPath, [bundle(workspace), '--help'])
    expect(help.stdout).toContain(`Usage: ${name}`)
    expect(help.stdout).toContain('Exit codes:')
    const version = await run(process.execPath, [bundle(workspace), '--version'])
    const { version: expected } = JSON.parse(readFileSync(join(productRoot, workspace, 'package.json'), 'utf8'))
    expect(version.stdout.trim()).toBe(expected)
    const linked = await run(join(productRoot, 'node_modules/.bin', name), ['--version'])
    expect(linked.stdout.trim()).toBe(expected)
  })
})
