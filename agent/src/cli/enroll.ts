import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'

import { BioTrakrError, type EnrolmentCode, parseEnrolmentCode } from '@biotrakr/shared'
import type { Command } from 'commander'

import { readConfig } from '../config.ts'
import { enrolBox } from '../own-enrolment.ts'

interface EnrollOptions {
  readonly config: string
  readonly url: string
  readonly code?: string
  readonly codeFile?: string
  readonly json: boolean
}

export function addEnrollCommand(biotrakr: Command): void {
  biotrakr
    .command('enroll')
    .description('get a certificate for this box with a one-time code of `biotrakr-cloud gateways add`')
    .requiredOption('-c, --config <file>', 'configuration file (YAML)')
    .requiredOption('--url <url>', 'address of `biotrakr-cloud enroll`, such as https://centre.hospital.example:8443')
    .option('--code <code>', 'the code; - reads it from standard input, so that no list of processes shows it')
    .option('--code-file <file>', 'file that holds the code')
    .option('--json', 'one JSON document instead of plain lines', false)
    .action(enroll)
}

async function enroll(options: EnrollOptions): Promise<void> {
  const { url, json } = options
  if (!isHttps(url)) {
    throw new BioTrakrError(`${url} is no https:// address`, {
      code: 'USAGE',
      next: 'Ask the operator for the address.',
    })
  }
  const config = readConfig(options.config, { needsSite: false })
  const { gateway, untilMs } = await enrolBox(config, url, await codeOf(options))
  const until = new Date(untilMs).toISOString()
  process.stdout.write(
    json
      ? `${JSON.stringify({ gateway, until })}\n`
      : `enrolled as ${gateway}; the certificate is good until ${until} and renewed by itself\nrestart the agent to use it\n`,
  )
}

async function codeOf({ code, codeFile }: EnrollOptions): Promise<EnrolmentCode> {
  if ((code === undefined) === (codeFile === undefined)) {
    throw new BioTrakrError('one of --code and --code-file is needed', { code: 'USAGE', next: 'Give the code once.' })
  }
  const given =
    codeFile === undefined ? (code === '-' ? await text(process.stdin) : code) : readFileSync(codeFile, 'utf8')
  const parsed = parseEnrolmentCode(given?.trim() ?? '')
  if (parsed) return parsed
  throw new BioTrakrError('that is not an enrolment code, or a letter of it is wrong', {
    code: 'ENROL_CODE',
    next: 'Copy all 14 groups of four as `biotrakr-cloud gateways add` printed them.',
  })
}

function isHttps(url: string): boolean {
  return URL.canParse(url) && new URL(url).protocol === 'https:'
}
