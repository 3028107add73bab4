import { isReceiverId, type ReceiverId } from '@biotrakr/shared'
import { z } from 'zod'

const address = z
  .string()
  .regex(/^[0-9a-f]{2}(?:([:-]?)[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}$/i, 'is not an address such as 00:11:22:33:44:55')
  .transform((text) => text.replaceAll(/[:-]/g, '').toLowerCase())

/** One adapter: where it is is said by one of `address`, `index` and `port`. */
const adapterSchema = z
  .strictObject({
    /** Its name on the site map. */
    receiver: z.string().refine((name): name is ReceiverId => isReceiverId(name), 'must be a name of 1-64 characters'),
    /** BD_ADDR: the same adapter in whatever socket. */
    address: address.optional(),
    /** N of hciN: whichever adapter is there today. */
    index: z.int().min(0).max(65_535).optional(),
    /** Serial device of a controller that speaks H4. */
    port: z.string().min(1).max(4096).optional(),
    baudRate: z.int().min(9_600).max(8_000_000).optional(),
    /** Take the adapter away from the kernel while it scans; not for a port. */
    userChannel: z.boolean().default(false),
    /** `passive` sends nothing; `windows` asks for scan responses 10 s in 5 min; `active` always. */
    mode: z.enum(['passive', 'active', 'windows']).default('passive'),
    /** Beacons installed near it, by address: their silence tells a deaf adapter from a quiet floor. */
    references: z.array(address).max(64).default([]),
    /** Only what the library publishes, should the tap below it be in doubt. It merges and loses reports. */
    publicEventsOnly: z.boolean().default(false),
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

/** Bluetooth adapters of this machine. Two on one controller, or of one name, are refused. */
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
    }),
  /** Keys of tags with changing addresses or encrypted payloads: a file that only its owner can read. */
  keysFile: z.string().min(1).max(4096).optional(),
})

function targetKey({ address: bdAddr, index, port }: BleAdapterConfig): string {
  return bdAddr ?? port ?? `hci${index}`
}
