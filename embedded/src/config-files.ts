import { stringify } from 'yaml'

import type { BrokerUser } from './access.ts'
import type { DataFolder } from './data-folder.ts'
import type { Login } from './postgres.ts'
import type { Schedule, Story } from './story.ts'

const ORG = 'embedded'
export const DATABASE = 'biotrakr'

const writeYaml = (folder: DataFolder, name: string, value: object): string =>
  folder.write(`config/${name}.yaml`, stringify(value))

interface CentreParts {
  readonly superuser: Login
  readonly brokerUrl: string
  readonly users: { readonly ingester: BrokerUser; readonly serve: BrokerUser }
  readonly ports: { readonly ingest: number; readonly serve: number; readonly maintain: number }
}

interface CentreConfigs {
  readonly migrate: string
  readonly ingest: string
  readonly serve: string
  readonly maintain: string
}

/** One file per process of the centre, each naming only its own secrets. */
export function writeCentreConfigs(folder: DataFolder, parts: CentreParts): CentreConfigs {
  const { superuser, brokerUrl, users, ports } = parts
  const database = (user: string, password: string) => ({
    host: superuser.host,
    port: superuser.port,
    database: DATABASE,
    user,
    passwordFile: folder.password(password).file,
    tls: 'off',
  })
  const broker = ({ name, password }: BrokerUser) => ({ url: brokerUrl, username: name, passwordFile: password.file })
  return {
    migrate: writeYaml(folder, 'migrate', { database: database(superuser.user, 'postgres') }),
    ingest: writeYaml(folder, 'ingest', {
      database: database('bt_ingest', 'bt_ingest'),
      broker: broker(users.ingester),
      ingest: { port: ports.ingest },
    }),
    serve: writeYaml(folder, 'serve', {
      database: database('bt_api', 'bt_api'),
      broker: broker(users.serve),
      org: ORG,
      serve: { host: '127.0.0.1', port: ports.serve },
    }),
    maintain: writeYaml(folder, 'maintain', {
      database: database('bt_jobs', 'bt_jobs'),
      maintain: { port: ports.maintain },
    }),
  }
}

interface AgentParts {
  readonly story: Story
  readonly schedule: Schedule
  /** Sources that were started for the story. */
  readonly readers: readonly object[]
  readonly brokerUrl: string
  readonly user: BrokerUser
  readonly apiPort: number
  readonly dataDir: string
}

/** @returns the path of the agent's configuration */
export function writeAgentConfig(folder: DataFolder, parts: AgentParts): string {
  const { story, schedule, user } = parts
  const siteMap = folder.write('config/site-map.json', `${JSON.stringify(story.siteMap, undefined, 2)}\n`)
  return writeYaml(folder, 'agent', {
    gateway: story.gateway,
    dataDir: parts.dataDir,
    siteMap,
    tags: story.tags,
    broker: { url: parts.brokerUrl, username: user.name, passwordFile: user.password.file },
    sources: [...schedule.sources, ...parts.readers],
    ...(schedule.time && { time: schedule.time }),
    api: { port: parts.apiPort },
  })
}

/** The site as the centre registers it: what is played, under names that people read. */
export function siteOf({ facility, gateway, siteMap, tags }: Story): Site {
  return {
    org: { slug: ORG, name: 'Embedded trial' },
    facility: { code: facility, name: facility, timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC' },
    rooms: siteMap.rooms.map(({ id, transit }) => ({ code: id, ...(transit && { kind: 'corridor' as const }) })),
    gateways: [{ name: gateway }],
    tags: tags.map((identity) => ({ identity })),
  }
}

interface Site {
  readonly org: { readonly slug: string; readonly name: string }
  readonly facility: { readonly code: string; readonly name: string; readonly timeZone: string }
  readonly rooms: { code: string; kind?: 'corridor' }[]
  readonly gateways: { name: string }[]
  readonly tags: { identity: string }[]
}
