import { existsSync } from 'node:fs'

import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { skipWithoutMosquitto } from './ingest/test-broker.ts'
import { createTestCentre, LABELS, OWN_TAGS, type TestCentre } from './test-centre.ts'

const CHROMIUM = '/usr/bin/chromium'
/** With BIOTRAKR_REQUIRE_ALL=1 a missing part fails the tests instead of skipping them. */
const skip = (skipWithoutMosquitto || !existsSync(CHROMIUM)) && process.env['BIOTRAKR_REQUIRE_ALL'] !== '1'
const QUIET = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run']
const [PUMP = '', PUMP_2 = '', WHEELCHAIR = '', EPC = ''] = OWN_TAGS
const TOKEN = 'a-token-of-at-least-sixteen-characters'

describe.skipIf(skip)(`the live page in a real browser (skipped without ${CHROMIUM} or mosquitto)`, () => {
  let centre: TestCentre
  let browser: Browser
  let context: BrowserContext
  let page: Page
  /** Errors on the console, refusals of the content security policy among them, and whatever a script did not catch. */
  let complaints: string[]

  beforeAll(async () => {
    centre = await createTestCentre()
    await centre.commit('marlow', { tag: PUMP, room: 'R1' })
    await centre.commit('marlow', { tag: PUMP_2, room: 'R1' })
    await centre.commit('marlow', { tag: WHEELCHAIR, room: null, reason: 'receiver_down' })
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', ...QUIET],
    })
  })
  afterAll(async () => {
    await browser?.close()
    await centre?.stop()
  })
  beforeEach(async () => {
    context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
    page = await context.newPage()
    complaints = []
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(error.message))
  })
  afterEach(() => context.close())

  const room = (name: string) => page.getByRole('article', { name, exact: true })
  const unknown = () => page.getByRole('region', { name: /Room unknown/ })
  const label = (tag: string) => LABELS[tag] ?? tag

  it('shows a tag in its room and moves it when it is heard elsewhere', async () => {
    await page.goto(centre.server.url)
    await room('Room 1').getByText(label(PUMP), { exact: true }).waitFor()
    await page.getByRole('status').getByText('Live', { exact: true }).waitFor()
    await centre.live('gw-marlow', { tag: PUMP, room: 'R10' })
    await room('Room 10').getByText(label(PUMP), { exact: true }).waitFor()
    expect(await room('Room 1').getByText(label(PUMP), { exact: true }).count()).toBe(0)
    expect(await room('Room 10').locator('.count').textContent()).toBe('1')
    await centre.live('gw-marlow', { tag: PUMP, room: 'R1', atMs: Date.now() + 10 })
    await room('Room 1').getByText(label(PUMP), { exact: true }).waitFor()
    expect(complaints).toEqual([])
  })

  it('says in words why a room is not known, and never puts such a tag in a room', async () => {
    await page.goto(centre.server.url)
    await unknown().getByText('receiver down').waitFor()
    const lines = await unknown().getByRole('listitem').allInnerTexts()
    expect(lines.map((line) => line.split(/\s*\n\s*/))).toEqual([
      [EPC.slice(4), 'never heard yet'],
      [label(WHEELCHAIR), expect.stringMatching(/^receiver down, as of \d+ s ago$/)],
    ])
    expect(await page.getByRole('article').getByText(label(WHEELCHAIR)).count()).toBe(0)
    expect(complaints).toEqual([])
  })

  it('shows a press with what, where and when, also of a tag whose place is not known', async () => {
    await page.goto(centre.server.url)
    const alarms = page.getByRole('region', { name: /Alarms of the last/ })
    await room('Room 1').getByText(label(PUMP_2), { exact: true }).waitFor()
    expect(await alarms.isVisible()).toBe(false)
    await centre.raise('gw-marlow', { tag: PUMP_2, room: 'R1', value: 1 })
    await centre.raise('gw-marlow', { tag: EPC, room: null, event: 'tamper' })
    await alarms.getByText('case opened or tag taken off').waitFor()
    const lines = await alarms.getByRole('listitem').allInnerTexts()
    expect(lines.map((line) => line.split(/\s*\n\s*/))).toEqual([
      [EPC.slice(4), 'case opened or tag taken off', 'place not known', expect.stringMatching(/ago$/)],
      [label(PUMP_2), 'button pressed', 'Room 1', expect.stringMatching(/\d.*, \d+ s ago$/)],
    ])
    expect(await page.getByRole('alert').filter({ hasText: 'place not known' }).count()).toBe(1)
    await page.reload()
    await alarms.getByText('button pressed').waitFor()
    expect(await alarms.getByRole('listitem').count()).toBe(2)
    expect(complaints).toEqual([])
  })

  it('finds by name, identity and room, with the keyboard alone', async () => {
    await page.goto(centre.server.url)
    await room('Room 1').getByText(label(PUMP_2), { exact: true }).waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('c30000000002')
    await page.getByText('1 found').waitFor()
    expect(await room('Room 1').getByRole('listitem').allInnerTexts()).toEqual([label(PUMP_2)])
    expect(await room('Room 2').isVisible()).toBe(false)
    await page.keyboard.press('Escape')
    await page.keyboard.type('room 2')
    await room('Room 1').waitFor({ state: 'hidden' })
    expect(await room('Room 2').isVisible()).toBe(true)
    await page.keyboard.press('Escape')
    await page.keyboard.type('no such thing')
    await page.getByText('Nothing matches "no such thing"').waitFor()
    expect(complaints).toEqual([])
  })

  it('says that it reconnects when the server goes, keeps the last it knew, and is live again afterwards', async () => {
    const first = await centre.serve()
    const port = Number(new URL(first.url).port)
    await page.goto(first.url)
    await page.getByText('Live', { exact: true }).waitFor()
    await room('Room 1').getByText(label(PUMP_2), { exact: true }).waitFor()
    await first.stop()
    await page.getByText('Reconnecting, showing last known').waitFor()
    expect(await room('Room 1').getByText(label(PUMP_2), { exact: true }).isVisible()).toBe(true)
    const second = await centre.serve({ port })
    await page.getByText('Live', { exact: true }).waitFor()
    await room('Room 1').getByText(label(PUMP_2), { exact: true }).waitFor()
    await second.stop()
  })

  it('lets in who has the token', async () => {
    const guarded = await centre.serve({ token: TOKEN })
    await page.goto(guarded.url)
    const signIn = async (token: string) => {
      await page.getByLabel('Access token').fill(token)
      await page.getByRole('button', { name: 'Sign in' }).click()
    }
    expect(await page.getByRole('alert').isVisible()).toBe(false)
    await signIn('something else')
    await page.getByText('That is not the token of this service.').waitFor()
    // The browser itself reports the 401 that came with that line.
    complaints = []
    await signIn(TOKEN)
    await room('Room 1').getByText(label(PUMP_2), { exact: true }).waitFor()
    expect(complaints).toEqual([])
    await guarded.stop()
  })

  it.each([
    [360, 740, 'light'],
    [1440, 900, 'dark'],
  ] as const)('fits %i x %i without scrolling sideways, in %s', async (width, height, colorScheme) => {
    await page.setViewportSize({ width, height })
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await page.goto(centre.server.url)
    await room('Room 1').getByText(label(PUMP_2), { exact: true }).waitFor()
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width)
    expect(complaints).toEqual([])
  })
})
