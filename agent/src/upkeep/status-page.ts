import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

interface StatusPage {
  readonly html: string
  /** Value of the Content-Security-Policy header: what stands in the page runs, and nothing else. */
  readonly policy: string
}

const STYLE = '<link rel="stylesheet" href="status.css" />'
const SCRIPT = '<script type="module" src="status.js"></script>'

/** Reads the page at the first request, and keeps it. */
export function createPageAnswer(): (response: ServerResponse) => void {
  let page: StatusPage | undefined
  return (response) => {
    const folder = page ? '' : findWeb()
    if (folder === undefined) {
      response.writeHead(404, { 'content-type': 'text/plain' })
      response.end('the status page is not installed here (folder agent/web); see /health\n')
      return
    }
    page ??= readPage(folder)
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': page.policy })
    response.end(page.html)
  }
}

/** One document: style and script become part of it, each named to the browser by its hash (w3.org/TR/CSP3, 2.3.1). */
function readPage(folder: string): StatusPage {
  const read = (name: string) => readFileSync(join(folder, name), 'utf8')
  const [style, script] = [read('status.css'), read('status.js')]
  const html = read('status.html')
    .replace(STYLE, () => `<style>${style}</style>`)
    .replace(SCRIPT, () => `<script type="module">${script}</script>`)
  const policy = [
    "default-src 'none'",
    `style-src ${hashOf(style)}`,
    `script-src ${hashOf(script)}`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ]
  return { html, policy: policy.join('; ') }
}

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/** Beside the sources, or beside a bundle of this or of another workspace, each at its own depth. */
function findWeb(): string | undefined {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const found = [['web'], ['agent', 'web']].map((parts) => join(folder, ...parts))
    const web = found.find((candidate) => existsSync(join(candidate, 'status.html')))
    if (web !== undefined || folder === dirname(folder)) return web
  }
}
