import { execFile } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { productRoot } from '@biotrakr/embedded'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { hasSystemdAnalyze, itNeeding } from './needs.ts'

const units = join(productRoot, 'systemd')
const textOf = (name: string) => readFileSync(join(units, name), 'utf8')
const services = readdirSync(units).filter((name) => name.endsWith('.service'))
const timers = readdirSync(units).filter((name) => name.endsWith('.timer'))
/** Those that run on; the others do one thing and end. */
const daemons = services.filter((name) => !textOf(name).includes('\nType=oneshot\n'))
/** Of the broker of a centre without Docker. */
const broker = join(productRoot, 'deploy/mosquitto')
const brokerUnits = ['biotrakr-broker-reload.path', 'biotrakr-broker-reload.service']

/** Highest exposure score allowed, in tenths as systemd-analyze wants it. */
const THRESHOLDS: Readonly<Record<string, number>> = {
  'biotrakr-agent.service': 22,
  'biotrakr-backup.service': 15,
  'biotrakr-enroll.service': 15,
  'biotrakr-ingest@.service': 15,
  'biotrakr-maintain.service': 15,
  'biotrakr-restore-drill.service': 15,
  'biotrakr-serve.service': 15,
  'biotrakr-update.service': 22,
}

function run(program: string, ...args: string[]): Promise<{ code: number; text: string }> {
  return new Promise((resolve) => {
    execFile(program, args, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), text: stdout + stderr })
    })
  })
}

/** A file system in which the units, what they start and systemd's own targets are installed, and nothing else. */
let root: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'biotrakr-units-'))
  const own = join(root, 'usr/lib/systemd/system')
  for (const folder of [own, join(root, 'usr/bin'), join(root, 'bin'), join(root, 'etc')]) {
    mkdirSync(folder, { recursive: true })
  }
  for (const program of ['usr/bin/biotrakr', 'usr/bin/biotrakr-cloud', 'usr/bin/systemctl', 'bin/kill']) {
    writeFileSync(join(root, program), '#!/bin/sh\n')
    chmodSync(join(root, program), 0o755)
  }
  for (const name of ['sysinit', 'basic', 'shutdown', 'multi-user', 'network', 'paths', 'timers', 'time-set']) {
    const target = `/lib/systemd/system/${name}.target`
    if (existsSync(target)) copyFileSync(target, join(own, `${name}.target`))
  }
  for (const name of [...services, ...timers]) copyFileSync(join(units, name), join(own, name))
  for (const name of brokerUnits) copyFileSync(join(broker, name), join(own, name))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

describe('service units', () => {
  const need = itNeeding(hasSystemdAnalyze, 'systemd-analyze')

  it('have a limit of exposure each', () => {
    expect(services.sort()).toEqual(Object.keys(THRESHOLDS).sort())
  })

  for (const [name, threshold] of Object.entries(THRESHOLDS)) {
    need(
      `${name} is exposed by at most ${threshold / 10}`,
      async () => {
        const { code, text } = await run(
          'systemd-analyze',
          'security',
          '--offline=true',
          '--no-pager',
          `--threshold=${threshold}`,
          join(units, name),
        )
        expect(code, text).toBe(0)
        expect(text).toContain('Overall exposure level')
      },
      30_000,
    )

    need(
      `${name} is right in form, and all it names is there`,
      async () => {
        const { code, text } = await run(
          'systemd-analyze',
          'verify',
          '--man=no',
          `--root=${root}`,
          name.replace('@.', '@a.'),
        )
        expect({ code, text }).toEqual({ code: 0, text: '' })
      },
      30_000,
    )
  }

  for (const name of [...brokerUnits, ...timers]) {
    need(
      `${name} is right in form, and what it starts is there`,
      async () => {
        const { code, text } = await run('systemd-analyze', 'verify', '--man=no', `--root=${root}`, name)
        expect({ code, text }).toEqual({ code: 0, text: '' })
      },
      30_000,
    )
  }

  it('look at the files that the shipped configuration of the broker names', () => {
    const watched = [...readFileSync(join(broker, brokerUnits[0] ?? ''), 'utf8').matchAll(/^PathChanged=(.+)$/gm)]
    const named = readFileSync(join(broker, 'mosquitto.conf'), 'utf8')
    expect(watched.map(([, path]) => path)).toHaveLength(2)
    for (const [, path] of watched) expect(named).toMatch(new RegExp(`^(?:crlfile|certfile) ${path}$`, 'm'))
  })

  it('hand each secret of the database to one unit', () => {
    const given = services.flatMap((name) => [...textOf(name).matchAll(/^LoadCredential=(.*database-password)$/gm)])
    const names = given.map(([, name]) => name)
    expect(names.length).toBeGreaterThan(4)
    expect(new Set(names).size).toBe(names.length)
  })

  it('bring no update by themselves: the timer has to be enabled', () => {
    expect(textOf('biotrakr-update.service')).not.toContain('[Install]')
    const scripts = readFileSync(join(productRoot, 'agent/packaging/debian/postinst'), 'utf8')
    expect(scripts).not.toContain('enable')
  })

  need(
    'a limit that is exceeded is noticed',
    async () => {
      const args = ['security', '--offline=true', '--no-pager', '--threshold=5', join(units, 'biotrakr-serve.service')]
      expect((await run('systemd-analyze', ...args)).code).not.toBe(0)
    },
    30_000,
  )

  it('never wait for the time, are watched, leave no core file and start again for ever', () => {
    for (const name of daemons) {
      const directives = textOf(name)
        .split('\n')
        .filter((line) => !line.startsWith('#'))
      const text = directives.join('\n')
      expect(text, name).not.toContain('time-sync')
      expect(text, name).not.toContain('network-online')
      for (const line of ['Type=notify', 'Restart=always', 'LimitCORE=0', 'StartLimitIntervalSec=0']) {
        expect(directives, name).toContain(line)
      }
      expect(text, name).toMatch(/^WatchdogSec=\d+$/m)
      expect(text, name).toMatch(/^MemoryMax=\d+M$/m)
      expect(text, name).toMatch(/^LoadCredential=/m)
    }
  })

  it('carry no secret: what they hand over is a credential', () => {
    for (const name of services)
      expect(textOf(name)).not.toMatch(/^(?:Environment|ExecStart)=.*(?:password|token|secret)/im)
  })
})

describe('users and readers', () => {
  const need = itNeeding(hasSystemdAnalyze, 'systemd-sysusers')

  need(
    'the users that the units run as are made',
    async () => {
      const files = readdirSync(units).filter((name) => name.endsWith('.sysusers'))
      const args = [`--root=${root}`, '--dry-run', ...files.map((name) => join(units, name))]
      const { code, text } = await run('systemd-sysusers', ...args)
      expect(code, text).toBe(0)
      for (const name of services.filter((each) => /^User=/m.test(textOf(each)))) {
        const user = /^User=(.+)$/m.exec(textOf(name))?.[1]
        expect(text).toContain(`Creating user '${user}'`)
      }
    },
    30_000,
  )

  it('the rules for readers lead to labels that are there, and give names that the agent takes', () => {
    const text = textOf('60-biotrakr-readers.rules')
    const labels = [...text.matchAll(/LABEL="(\w+)"/g)].map(([, label]) => label)
    for (const [, label] of text.matchAll(/GOTO="(\w+)"/g)) expect(labels).toContain(label)
    const rules = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    const part = String.raw`[A-Z_]+(?:\{\w+\})?(?:==|!=|\+=|=)"[^"]*"`
    for (const rule of rules) expect(rule).toMatch(new RegExp(`^${part}(?:, ${part})*$`))
    expect(text).toContain('SYMLINK+="biotrakr/reader-')
  })
})
