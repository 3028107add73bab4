import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { productRoot } from '@biotrakr/embedded'
import { createSurveyWalk } from '@biotrakr/sim'
import { afterAll, describe, expect } from 'vitest'

import { hasTmux, itNeeding } from './needs.ts'
import { openRealTerminal, type RealTerminal } from './real-terminal.ts'

const root = mkdtempSync(join(tmpdir(), 'calibrate-terminal-'))
const opened: RealTerminal[] = []
afterAll(() => {
  for (const terminal of opened) terminal.hangUp()
  rmSync(root, { recursive: true, force: true })
})

/** No receiver north of the corridor, and only a curtain between two rooms there: these rooms are weak in truth. */
const NORTH = ['105', '106', '107', '108']
const WARD = ['--simulate', '9', '--speed', '1000', '--wall-db', '8', '--curtain', '105/106']

const source = ['--conditions=biotrakr:source', '--import', 'tsx', '--enable-source-maps']
const args = [...source, join(productRoot, 'agent/src/main.ts'), 'calibrate']

function terminal(...words: string[]): RealTerminal {
  const line = [process.execPath, ...args, ...words].map((word) => `'${word}'`).join(' ')
  const made = openRealTerminal(`cd '${productRoot}'; ${line}`)
  opened.push(made)
  return made
}

function run(...words: string[]): string {
  return execFileSync(process.execPath, [...args, ...words], {
    cwd: productRoot,
    encoding: 'utf8',
  })
}

/** A map of rooms and receivers, and nothing else: no survey, no places in metres. */
function emptyMap(): string {
  const { siteMap } = createSurveyWalk({ seed: 9, startMs: 0, tags: 1 })
  const hanging = siteMap.receivers.filter(({ room }) => !NORTH.includes(room ?? ''))
  const receivers = hanging.map(({ id, medium, room }) => ({ id, medium, room }))
  const file = join(root, 'map.json')
  writeFileSync(file, JSON.stringify({ ...siteMap, receivers }))
  return file
}

const counted = (text: string, part: RegExp): number => [...text.matchAll(part)].length
const PLACE = /^ {4}(?:ok|kept)/gm

/** Presses Enter at place after place, as the prompts ask, until all is done or `most` places are. */
async function walk(screen: RealTerminal, most = Number.POSITIVE_INFINITY): Promise<string> {
  for (let places = 0; ; places++) {
    const waits = (shown: string) =>
      /Stand there, then Enter|All rooms are done/.test(shown.split('\n').slice(-3).join('\n')) &&
      counted(shown, PLACE) >= places
    const shown = await screen.until(waits, `place ${places + 1}`)
    if (shown.includes('All rooms are done') || counted(shown, PLACE) >= most) return shown
    screen.press('Enter')
    await screen.until(
      (now) => counted(now, PLACE) > places || now.includes('All rooms'),
      `the end of place ${places + 1}`,
    )
  }
}

describe('calibration in a real terminal', () => {
  itNeeding(hasTmux, 'tmux')(
    'goes from a map of rooms and receivers to a report that names the rooms that truly are weak',
    async () => {
      const site = ['--map', emptyMap(), '--dir', mkdtempSync(join(root, 'ward-'))]
      const first = terminal('survey', ...site, ...WARD)
      await first.until((shown) => shown.includes('Is this the survey tag?'), 'the tag')
      first.press('Enter')
      await walk(first, 2)
      // Somebody else cannot begin meanwhile.
      const second = terminal('survey', ...site, ...WARD)
      const refused = await second.until((shown) => shown.includes('exit code'), 'the refusal')
      expect(refused).toMatch(/is surveying here since .*SURVEY_IN_USE/s)
      // One place is undone, then the connection is lost.
      first.press('u')
      await first.until((shown) => shown.includes('is undone'), 'the undone place')
      first.hangUp()

      const again = terminal('survey', ...site, ...WARD)
      const resumed = await again.until((shown) => shown.includes('Stand there'), 'the first place')
      expect(resumed).toMatch(/Going on: 1 places? (?:is|are) done/)
      expect(resumed).toContain('Survey tag: ble:c2ffffffffff (as before')
      const walked = await walk(again)
      expect(walked).toContain('Room corridor-e')
      await again.until((shown) => shown.includes('exit code 0'), 'the end')

      expect(run('fit', ...site, '--note', 'first walk')).toMatch(/^Version 1 of the calibration/)
      const screen = terminal('report', ...site, '--html', join(root, 'report.html'))
      const shown = await screen.until((text) => text.includes('exit code 0'), 'the report')
      expect(shown).toContain('Hang a receiver in 10')
      const report = JSON.parse(run('report', ...site, '--json'))
      const named: string[] = report.verdicts.filter(isWeak).map(({ room }: { room: string }) => room)
      expect(named.length).toBeGreaterThanOrEqual(2)
      expect(NORTH).toEqual(expect.arrayContaining(named.slice(0, 2)))
      // When the walker stands where depends on how fast the terminal is served: one room at the border may be named too.
      const others = named.filter((room) => ![...NORTH, 'corridor-w', 'corridor-e'].includes(room))
      expect(others.length).toBeLessThanOrEqual(1)
      const page = readFileSync(join(root, 'report.html'), 'utf8')
      expect(page).not.toMatch(/<script|https?:\/\//)
      expect(page).toContain('<svg')

      // The weakest room is walked anew; the others keep what they had.
      const [room = ''] = named
      const anew = terminal('survey', ...site, ...WARD, '--room', room, '--tag', 'c2ff')
      await walk(anew)
      await anew.until((text) => text.includes('exit code 0'), 'the end')
      const { version, renewed, kept } = JSON.parse(run('fit', ...site, '--json'))
      expect([version, renewed, kept.length]).toEqual([2, [room], 9])
      expect(run('diff', ...site, '1')).toContain('From version 1 to 2')
      run('rollback', ...site)
      expect(run('versions', ...site)).toMatch(/^\* {4}1 /m)
    },
    400_000,
  )
})

function isWeak({ grade }: { readonly grade: string }): boolean {
  return grade === 'red' || grade === 'amber'
}
