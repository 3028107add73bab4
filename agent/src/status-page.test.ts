import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createWard } from '@biotrakr/sim'
import { pino } from 'pino'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { Agent } from './agent.ts'
import { apiToken } from './api-token.ts'
import { createWardSource } from './cli/ward-source.ts'
import { type AgentConfig, readConfig } from './config.ts'
import { isAgentRunning } from './survey-ear.ts'
import { createTestAuthority } from './sync/test-certificates.ts'
import { systemClock } from './system-clock.ts'

const CHROMIUM = '/usr/bin/chromium'
/** With BIOTRAKR_REQUIRE_ALL=1 a missing part fails the tests instead of skipping them. */
const skip = !existsSync(CHROMIUM) && process.env['BIOTRAKR_REQUIRE_ALL'] !== '1'
const QUIET = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run']
const FRESH_MS = 15_000

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** A whole agent that hears a simulated ward; no broker listens at its address. */
async function startAgent(dir: string, name: string, api: object = {}): Promise<{ agent: Agent; config: AgentConfig }> {
  const ward = createWard({ seed: 7, startMs: Date.now() - 60_000, tags: 20 })
  writeFileSync(join(dir, 'site.json'), JSON.stringify(ward.siteMap))
  const document = {
    gateway: name,
    dataDir: name,
    siteMap: 'site.json',
    tags: ward.tags,
    broker: { url: 'mqtt://127.0.0.1:1' },
    sources: [{ kind: 'simulated', startMs: 0 }],
    api: { port: await freePort(), ...api },
  }
  const file = join(dir, `${name}.yaml`)
  writeFileSync(file, JSON.stringify(document))
  const config = readConfig(file)
  const parts = { clock: systemClock, random: Math.random, log: pino({ enabled: false }) }
  const source = createWardSource(ward, { ...parts, allow: new Set(config.tags) })
  const agent = new Agent({ config, sources: [source], eventClock: systemClock, ...parts })
  await agent.start()
  return { agent, config }
}

describe.skipIf(skip)(`the status page in a real browser (skipped without ${CHROMIUM})`, () => {
  let dir: string
  let agent: Agent
  let config: AgentConfig
  let browser: Browser
  let context: BrowserContext
  let page: Page
  /** Errors on the console, refusals of the content security policy among them, and whatever a script did not catch. */
  let complaints: string[]

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'biotrakr-page-'))
    ;({ agent, config } = await startAgent(dir, 'ward-3-east'))
    const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', ...QUIET]
    browser = await chromium.launch({ executablePath: CHROMIUM, args })
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    await agent?.stop({ flushMs: 0 })
    rmSync(dir, { recursive: true })
  })
  beforeEach(async () => {
    context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ignoreHTTPSErrors: true })
    page = await context.newPage()
    complaints = []
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(error.message))
  })
  afterEach(() => context.close())

  const url = ({ api }: AgentConfig, scheme = 'http') => `${scheme}://127.0.0.1:${api.port}`
  const signIn = async (token: string) => {
    await page.getByLabel('Access token').fill(token)
    await page.getByRole('button', { name: 'Show', exact: true }).click()
  }

  it('shows what the gateway hears and keeps, and of each fault what to do', { timeout: FRESH_MS * 2 }, async () => {
    await page.goto(url(config))
    await page.getByRole('heading', { name: 'ward-3-east' }).waitFor()
    await page.getByText('1 thing needs a person').waitFor()
    const todo = await page.getByRole('region', { name: 'What to do' }).getByRole('listitem').allInnerTexts()
    expect(todo.map((text) => text.split(/\s*\n\s*/))).toEqual([
      [
        'No connection to the broker 127.0.0.1:1: nothing listens there.',
        expect.stringMatching(/^Check that the broker runs and that address and port are right\. BROKER_UNREACHABLE$/),
      ],
    ])
    const figures = page.getByRole('region', { name: 'Figures' })
    await figures.getByText(/^[1-9]\d* of 20$/).waitFor({ timeout: FRESH_MS })
    await expect.poll(() => figures.getByText(/^[\d.,]+ \/s$/).count(), { timeout: FRESH_MS }).toBe(2)
    expect(await figures.getByText('none yet').count()).toBe(1)
    const lines = page.getByRole('region', { name: 'Adapters and readers' }).getByRole('listitem')
    await lines
      .getByText(/Bluetooth adapter simulated .*: hears$/)
      .first()
      .waitFor({ timeout: FRESH_MS })
    expect(await page.getByText('ble:').count()).toBe(0)
    expect(complaints).toEqual([])
  })

  it('shows tags to whoever has the token, and keeps them current', { timeout: FRESH_MS * 2 }, async () => {
    await page.goto(url(config))
    await page.getByRole('button', { name: 'Show tags' }).click()
    await signIn('something else')
    await page.getByText('That is not the token of this gateway.').waitFor()
    expect(await page.getByText('ble:').count()).toBe(0)
    // The browser itself reports the 401 answers that came with that line.
    complaints = []
    await signIn(apiToken(config.dataDir))
    await page.getByRole('cell', { name: /^ble:/ }).first().waitFor({ timeout: FRESH_MS })
    await page
      .getByRole('cell', { name: /^[0-3] s ago$/ })
      .first()
      .waitFor({ timeout: FRESH_MS })
    expect(complaints).toEqual([])
    await page.reload()
    await page.getByRole('cell', { name: /^ble:/ }).first().waitFor({ timeout: FRESH_MS })
  })

  it.each([
    [390, 844, 'light'],
    [390, 844, 'dark'],
    [1280, 900, 'light'],
    [1280, 900, 'dark'],
  ] as const)('fits %i x %i without scrolling sideways, in %s', async (width, height, colorScheme) => {
    await page.setViewportSize({ width, height })
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await page.goto(url(config))
    await page.getByRole('button', { name: 'Show tags' }).click()
    await signIn(apiToken(config.dataDir))
    await page.getByRole('cell', { name: /^ble:/ }).first().waitFor({ timeout: FRESH_MS })
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width)
    const shots = process.env['BIOTRAKR_SCREENSHOTS']
    if (shots) await page.screenshot({ path: join(shots, `status-${width}-${colorScheme}.png`), fullPage: true })
  })

  it('asks for the token first where other machines can connect, over TLS', { timeout: FRESH_MS * 2 }, async () => {
    const authority = await createTestAuthority(dir)
    const own = await authority.issue({ name: 'gateway.example', hosts: ['gateway.example'] })
    const wide = await startAgent(dir, 'ward-4', { host: '0.0.0.0', ...own })
    try {
      await page.goto(url(wide.config, 'https'))
      await page.getByLabel('Access token').waitFor()
      expect(await page.getByText('ward-4').count()).toBe(0)
      await signIn(apiToken(wide.config.dataDir))
      await page.getByRole('heading', { name: 'ward-4' }).waitFor()
      const answers = ['/health', '/metrics', '/status', '/live', '/windows', '/explain?tag=ble:c30000000001']
      for (const path of answers) {
        const answer = await context.request.get(`${url(wide.config, 'https')}${path}`)
        expect([path, answer.status()]).toEqual([path, 401])
      }
      // Its own commands know the certificate, although it is of another name and of an authority that they do not know.
      expect(await isAgentRunning(wide.config)).toBe(true)
    } finally {
      await wide.agent.stop({ flushMs: 0 })
    }
  })
})
