import { isGatewayId, isTagId } from '@biotrakr/shared'
import { z } from 'zod'

import { bleSourceSchema } from './config-ble.ts'
import { readerSourceSchema } from './config-reader.ts'

/**
 * Every key of the agent's configuration file. What `describe` says of a key is what the example file and
 * `biotrakr config schema` say; an `example` stands in the example file where there is no default.
 */
const path = z.string().min(1).max(4096)
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]', '::1'])

const of = (description: string, example?: unknown) => ({
  description,
  ...(example !== undefined && { examples: [example] }),
})

/** An address is shown in logs and health; what opens a door must not be in it. */
function refuseLogin(url: string, context: z.RefinementCtx): void {
  const { username, password } = new URL(url)
  if (username === '' && password === '') return
  context.addIssue({ code: 'custom', path: ['url'], message: 'must not carry a user name or password; name a file' })
}

const brokerSchema = z
  .strictObject({
    url: z
      .url({
        protocol: /^mqtts?$/,
        error: 'must be an mqtts:// address such as mqtts://broker.hospital.example:8883',
      })
      .meta(of('mqtts://host:8883; plain mqtt:// only on this machine.', 'mqtts://broker.hospital.example:8883')),
    username: z.string().min(1).max(64).optional().meta(of('The name of the gateway unless told.', 'gw-ward-3')),
    passwordFile: path
      .optional()
      .meta(of('File with the password, of mode 0600, or credential:NAME.', 'credential:biotrakr.broker-password')),
    caFile: path
      .optional()
      .meta(of('Certificate of the authority that vouches for the broker.', '/etc/biotrakr/pki/ca.pem')),
    certFile: path.optional().meta(of('Certificate of this gateway.', '/etc/biotrakr/pki/gateway.pem')),
    keyFile: path
      .optional()
      .meta(of('Its private key, of mode 0600, or credential:NAME.', 'credential:biotrakr.broker-key')),
  })
  .superRefine((broker, context) => {
    refuseLogin(broker.url, context)
    const plain = broker.url.startsWith('mqtt:')
    if (plain && !LOOPBACK.has(new URL(broker.url).hostname)) {
      context.addIssue({ code: 'custom', path: ['url'], message: 'must use mqtts:// for a broker on another machine' })
    }
    if ((broker.certFile === undefined) !== (broker.keyFile === undefined)) {
      context.addIssue({ code: 'custom', path: ['keyFile'], message: 'certFile and keyFile belong together' })
    }
  })

const sourceSchema = z.discriminatedUnion('kind', [
  bleSourceSchema,
  readerSourceSchema,
  z
    .strictObject({
      kind: z.literal('simulated'),
      seed: z.int().min(0).max(0xffff_ffff).default(1).meta(of('Another seed is another story.')),
      startMs: z
        .int()
        .min(0)
        .meta(
          of(
            "When the ward's story began, milliseconds since 1970: the same story goes on after a restart.",
            1_700_000_000_000,
          ),
        ),
      tags: z.int().min(1).max(10_000).default(40).meta(of('How many things there are.')),
    })
    .meta(of('A ward that exists only in arithmetic, for trials and demonstrations.')),
  z
    .strictObject({
      kind: z.literal('dataset'),
      dir: path.meta(of('Its folder.', 'recordings/flat')),
      part: z.enum(['train', 'test']).default('test').meta(of('Which of its two files is played.')),
    })
    .meta(of('A recorded data set, played as if it happened now.')),
])

const timeSchema = z.strictObject({
  speed: z.number().min(0.01).max(10_000).meta(of('Event seconds per real second.', 1)),
  eventStartMs: z
    .int()
    .min(0)
    .meta(of('Event time at the real time realStartMs; both milliseconds since 1970.', 1_700_000_000_000)),
  realStartMs: z.int().min(0).meta(of('See eventStartMs.', 1_700_000_000_000)),
})

const recordsSchema = z.strictObject({
  ledger: z
    .enum(['change', 'all'])
    .default('change')
    .meta(of('change: a fix enters the ledger when room, reason or method changes; all: every window.')),
  keepAliveSeconds: z
    .number()
    .min(1)
    .max(86_400)
    .default(300)
    .meta(of('With change, how long an unchanged answer may go unrecorded.')),
  live: z.boolean().default(true).meta(of('Newest position of every tag, not kept.')),
  liveSeconds: z.number().min(0.2).max(3_600).default(1).meta(of('At most one live message in this time.')),
})

const centreSchema = z
  .strictObject({
    url: z
      .url({ protocol: /^https?$/, error: 'must be an https:// address such as https://centre.hospital.example' })
      .meta(
        of('Address of biotrakr-cloud serve; plain http:// only on this machine.', 'https://centre.hospital.example'),
      ),
    siteKeyFile: path.meta(
      of(
        'Public key (Ed25519, PEM) that the centre signs sites with; from `biotrakr-cloud site key`.',
        '/etc/biotrakr/site-key.pem',
      ),
    ),
    tokenFile: path
      .optional()
      .meta(
        of(
          'File with the token of this gateway, of mode 0600; from `biotrakr-cloud site token`.',
          'credential:biotrakr.site-token',
        ),
      ),
    caFile: path
      .optional()
      .meta(
        of(
          "Authority of its certificate; without it, the system's and the one that this box enrolled with.",
          '/etc/biotrakr/pki/ca.pem',
        ),
      ),
    refreshMinutes: z.number().min(1).max(1_440).default(15).meta(of('How often to ask for a newer site.')),
  })
  .superRefine(({ url }, context) => {
    refuseLogin(url, context)
    if (url.startsWith('http:') && !LOOPBACK.has(new URL(url).hostname)) {
      context.addIssue({ code: 'custom', path: ['url'], message: 'must use https:// for a centre on another machine' })
    }
  })

const apiSchema = z
  .strictObject({
    host: z
      .string()
      .min(1)
      .max(253)
      .default('127.0.0.1')
      .meta(
        of('Beyond this machine only with TLS; every request then needs the token in api.token of the data folder.'),
      ),
    port: z.int().min(0).max(65_535).default(9470).meta(of('0 = any free one.')),
    certFile: path.optional().meta(of('Certificate of the page for other machines.', '/etc/biotrakr/pki/page.pem')),
    keyFile: path.optional().meta(of('Its private key, of mode 0600.', '/etc/biotrakr/pki/page.key')),
  })
  .superRefine(({ host, certFile, keyFile }, context) => {
    const report = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message })
    if ((certFile === undefined) !== (keyFile === undefined)) {
      report('keyFile', 'certFile and keyFile belong together')
    } else if (!LOOPBACK.has(host) && certFile === undefined) {
      report('host', 'other machines could connect, which takes certFile and keyFile (TLS) here; or use 127.0.0.1')
    }
  })

const tagList = z
  .array(z.string().refine(isTagId, 'is not a canonical tag identity such as ble:c30000123456'))
  .max(100_000)

/** Key by key; what concerns several keys is checked by `configSchema`. */
export const documentSchema = z.strictObject({
  gateway: z
    .string()
    .refine(
      isGatewayId,
      'must be 3-63 lower-case letters, digits or hyphens, starting with a letter or digit; ingester and serve are taken',
    )
    .meta(of('Name of this gateway, as the centre knows it and its certificate says.', 'gw-ward-3')),
  dataDir: path.meta(of('Folder for the store, keys and what is learned; the agent owns it.', '/var/lib/biotrakr')),
  siteMap: path.optional().meta({
    ...of('Rooms and receivers, a YAML or JSON file; may be left out where the centre gives it.', 'site-map.yaml'),
    isShown: true,
  }),
  calibration: path
    .optional()
    .meta(
      of(
        'Folder of the calibration; its current version takes the place of a survey in the site map.',
        '/var/lib/biotrakr/calibration',
      ),
    ),
  tags: tagList.optional().meta({
    ...of(
      "Allow-list of canonical tag identities: everything else is counted and forgotten. Without it, the centre's.",
      ['ble:c30000123456', 'epc:urn:epc:id:giai:4012345.300'],
    ),
    isShown: true,
  }),
  centre: centreSchema
    .optional()
    .meta(of('Where the site map and the allow-list come from; the last good ones serve as long as it is away.')),
  broker: brokerSchema.meta(of('Where batches go.')),
  sources: z
    .array(sourceSchema)
    .min(1, 'needs at least one source')
    .max(64)
    .meta(of('What is heard with; a restart is needed to change it.')),
  time: timeSchema.optional().meta(of('Only for replayed or simulated sources.')),
  records: recordsSchema.prefault({}).meta(of('What enters the ledger.')),
  clock: z
    .strictObject({
      syncedFile: path
        .default('/run/systemd/timesync/synchronized')
        .meta(of("Exists once a time server has set this machine's clock; systemd-timesyncd makes it by itself.")),
    })
    .prefault({})
    .meta(of('How the machine says that its time is right.')),
  filter: z
    .strictObject({
      floorDbm: z.number().min(-127).max(-30).default(-95).meta(of('BLE readings below this are dropped.')),
    })
    .prefault({})
    .meta(of('What is too weak to count.')),
  outbox: z
    .strictObject({
      maxMegabytes: z
        .int()
        .min(8)
        .max(1_000_000)
        .default(700)
        .meta(of('Bound of the store on disk; 700 are 72 hours at 200 fixes a second.')),
      graceHours: z
        .number()
        .min(0)
        .max(24 * 365)
        .default(24)
        .meta(of('How long what the centre has confirmed is still kept, room permitting.')),
      keyFile: path
        .optional()
        .meta(of('Key of the store; made at the first start where there is none.', '/var/lib/biotrakr/outbox.key')),
    })
    .prefault({})
    .meta(of('The store for what the centre does not have yet.')),
  sync: z
    .strictObject({
      window: z.int().min(1).max(64).default(8).meta(of('Batches on the way at once.')),
      batchRecords: z.int().min(1).max(5_000).default(1_000).meta(of('Most records of a batch.')),
    })
    .prefault({})
    .meta(of('How it is sent.')),
  api: apiSchema.prefault({}).meta(of('The page and figures of this gateway.')),
  log: z
    .strictObject({
      level: z
        .enum(['debug', 'info', 'warn', 'error'])
        .default('info')
        .meta(of('Tag identities appear at debug only.')),
    })
    .prefault({})
    .meta(of('The log, one JSON line an event, on standard output.')),
})

export const configSchema = documentSchema.superRefine(({ sources, time, siteMap, tags, centre }, context) => {
  const report = (at: (string | number)[], message: string) => context.addIssue({ code: 'custom', path: at, message })
  if (siteMap === undefined && centre === undefined) report(['siteMap'], 'is needed where no centre is named')
  if (tags === undefined && centre === undefined) report(['tags'], 'is needed where no centre is named')
  const radios = sources.flatMap(({ kind }, at) => (kind === 'ble' ? [at] : []))
  for (const at of radios.slice(1)) report(['sources', at], 'belongs into the first ble source')
  refuseTwins(sources, context)
  for (const kind of ['ble', 'reader'] as const) {
    if (time === undefined || sources.every((source) => source.kind !== kind)) continue
    report(['time'], `is for replays and simulations, not for a ${kind} source`)
  }
})

type SourceDocument = z.infer<typeof sourceSchema>

/** A line has room for one who speaks, and health tells readers apart by their names. */
function refuseTwins(sources: readonly SourceDocument[], context: z.RefinementCtx): void {
  for (const key of ['name', 'address'] as const) {
    const first = new Map<string, number>()
    sources.forEach((source, at) => {
      if (source.kind !== 'reader') return
      const before = first.get(source[key])
      first.set(source[key], before ?? at)
      if (before === undefined) return
      context.addIssue({ code: 'custom', path: ['sources', at, key], message: `is that of sources[${before}]` })
    })
  }
}
