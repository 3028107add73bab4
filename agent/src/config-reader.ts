import { isReceiverId, type ReceiverId } from '@biotrakr/shared'
import { z } from 'zod'

const value = z.union([z.number(), z.string().max(256), z.array(z.int().min(0).max(255)).max(64)])

/** A reader at a serial device, a serial device server or in the network. */
export const readerSourceSchema = z.strictObject({
  kind: z.literal('reader'),
  /** For people, health and the log. */
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'must be a name of 1-63 letters, digits, dots or hyphens'),
  /** `serial:/dev/serial/by-id/...`, or `tcp://host:port`. */
  address: z
    .string()
    .max(4096)
    .regex(/^(?:serial:\/|tcp:\/\/.)/, 'must be serial:/dev/serial/by-id/... or tcp://host:port'),
  /** Takes a path such as /dev/ttyUSB0, which may mean another device after the next restart. */
  allowUnstablePath: z.boolean().default(false),
  /** One that `biotrakr profiles list` names, or the path of a profile of the site's own. */
  profile: z.string().min(1).max(4096),
  /** As the profile spells it. Without one the reader is not made to transmit. */
  region: z.string().min(1).max(64).optional(),
  /** Radiated power; the profile says what the reader can. */
  powerDbm: z.number().min(-10).max(40).optional(),
  /** Address of the reader, where several share a line. */
  busAddress: z.int().min(0).max(255).optional(),
  /** Only this rate; without it the profile's are tried in turn. */
  baud: z.int().min(300).max(4_000_000).optional(),
  /** Values for the profile's own parameters. */
  parameters: z.record(z.string().min(1).max(64), value).optional(),
  /** Receiver on the site map of each antenna in use, by its number from 1. */
  antennas: z
    .record(
      z.string().regex(/^[1-9]\d{0,2}$/, 'must be the number of an antenna, from 1'),
      z.string().refine((name): name is ReceiverId => isReceiverId(name), 'must be a name of 1-64 characters'),
    )
    .refine((antennas) => Object.keys(antennas).length > 0, 'needs at least one antenna'),
})

export type ReaderConfig = z.infer<typeof readerSourceSchema>
