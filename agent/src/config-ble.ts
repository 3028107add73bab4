import { isReceiverId, type ReceiverId } from '@biotrakr/shared'
import { z } from 'zod'

const address = z
  .string()
  .regex(/^[0-9a-f]{2}(?:([:-]?)[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}$/i, 'is not an address such as 00:11:22:33:44:55')
  .transform((text) => text.replaceAll(/[:-]/g, '').toLowerCase())

/** One adapter: where it is is said by one of `address`, `index` and `port`. */
const adapterSchema = z
  .strictObject({
    receiver: z
      .string()
      .refine((name): name is ReceiverId => isReceiverId(name), 'must be a name of 1-64 characters')
      .meta({ description: 'Its name on the site map.', examples: ['rx-101'] }),
    address: address
      .optional()
      .meta({ description: 'BD_ADDR: the same adapter in whatever socket.', example: '00:11:22:33:44:55' }),
    index: z
      .int()
      .min(0)
      .max(65_535)
      .optional()
      .meta({ description: 'N of hciN: whichever adapter is there today.', examples: [0], isShown: true }),
    port: z
      .string()
      .min(1)
      .max(4096)
      .optional()
      .meta({
        description: 'Serial device of a controller that speaks H4.',
        examples: ['/dev/biotrakr/reader-A50285BI'],
      }),
    baudRate: z
      .int()
      .min(9_600)
      .max(8_000_000)
      .optional()
      .meta({ description: 'Of a port; the library has its own.', examples: [1_000_000] }),
    userChannel: z
      .boolean()
      .default(false)
      .meta({ description: 'Take the adapter away from the kernel while it scans; not for a port.' }),
    mode: z
      .enum(['passive', 'active', 'windows'])
      .default('passive')
      .meta({ description: 'passive sends nothing; windows asks for scan responses 10 s in 5 min; active always.' }),
    references: z
      .array(address)
      .max(64)
      .default([])
      .meta({
        description: 'Beacons installed near it, by address: their silence tells a deaf adapter from a quiet floor.',
        example: ['c3:00:00:12:34:56'],
      }),
    publicEventsOnly: z.boolean().default(false).meta({
      description: 'Only what the library publishes, should the tap below it be in doubt. It merges and loses reports.',
    }),
  })
  .superRefine((adapter, context) => {
    const named = [adapter.address, adapter.index, adapter.port].filter((value) => value !== undefined).length
    if (named !== 1) context.addIssue({ code: 'custom', message: 'needs exactly one of address, index and port' })
    if (adapter.baudRate !== undefined && adapter.port === undefined) {
      context.addIssue({ code: 'custom', path: ['baudRate'], message: 'belongs to a port' })
    }
    if (adapter.userChannel && adapter.port !== undefined) {
      context.addIssue({
        code: 'custom',
        path: ['userChannel'],
        message: 'is for adapters of the kernel, not for a port',
      })
    }
  })

export type BleAdapterConfig = z.infer<typeof adapterSchema>

/** Two adapters on one controller, or of one name, are refused. */
export const bleSourceSchema = z.strictObject({
  kind: z.literal('ble'),
  adapters: z
    .array(adapterSchema)
    .min(1, 'needs at least one adapter')
    .max(16)
    .superRefine((adapters, context) => {
      for (const [what, keys] of [
        ['target', adapters.map(targetKey)],
        ['receiver', adapters.map(({ receiver }): string => receiver)],
      ] as const) {
        keys.forEach((key, at) => {
          const first = keys.indexOf(key)
          if (first < at)
            context.addIssue({ code: 'custom', path: [at], message: `has the ${what} of adapters[${first}]` })
        })
      }
    })
    .meta({ description: 'Bluetooth adapters of this machine. Two on one controller, or of one name, are refused.' }),
  keysFile: z
    .string()
    .min(1)
    .max(4096)
    .optional()
    .meta({
      description: 'Keys of tags with changing addresses or encrypted payloads: a file that only its owner can read.',
      examples: ['credential:biotrakr.ble-keys'],
    }),
})

function targetKey({ address: bdAddr, index, port }: BleAdapterConfig): string {
  return bdAddr ?? port ?? `hci${index}`
}
