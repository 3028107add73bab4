import { isReceiverId, type ReceiverId } from '@biotrakr/shared'
import { z } from 'zod'

const value = z.union([z.number(), z.string().max(256), z.array(z.int().min(0).max(255)).max(64)])

const of = (description: string, example?: unknown) => ({
  description,
  ...(example !== undefined && { examples: [example] }),
})

/** A reader at a serial device, a serial device server or in the network. */
export const readerSourceSchema = z
  .strictObject({
    kind: z.literal('reader'),
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'must be a name of 1-63 letters, digits, dots or hyphens')
      .meta(of('For people, health and the log.', 'door-3')),
    address: z
      .string()
      .max(4096)
      .regex(/^(?:serial:\/|tcp:\/\/.)/, 'must be serial:/dev/serial/by-id/... or tcp://host:port')
      .meta(of('serial:/dev/serial/by-id/..., or tcp://host:port.', 'serial:/dev/biotrakr/reader-A50285BI')),
    allowUnstablePath: z
      .boolean()
      .default(false)
      .meta(of('Takes a path such as /dev/ttyUSB0, which may mean another device after the next restart.')),
    profile: z
      .string()
      .min(1)
      .max(4096)
      .meta(
        of(
          'One that `biotrakr profiles list` names, the path of your own, or centre:NAME for one that the centre gives.',
          'thingmagic-mercury',
        ),
      ),
    region: z
      .string()
      .min(1)
      .max(64)
      .optional()
      .meta(of('As the profile spells it. Without one the reader is not made to transmit.', 'ETSI')),
    powerDbm: z
      .number()
      .min(-10)
      .max(40)
      .optional()
      .meta(of('Radiated power; the profile says what the reader can.', 23)),
    busAddress: z.int().min(0).max(255).optional().meta(of('Address of the reader, where several share a line.', 1)),
    baud: z
      .int()
      .min(300)
      .max(4_000_000)
      .optional()
      .meta(of("Only this rate; without it the profile's are tried in turn.", 115_200)),
    parameters: z
      .record(z.string().min(1).max(64), value)
      .optional()
      .meta(of("Values for the profile's own parameters.", { session: 1 })),
    antennas: z
      .record(
        z.string().regex(/^[1-9]\d{0,2}$/, 'must be the number of an antenna, from 1'),
        z.string().refine((name): name is ReceiverId => isReceiverId(name), 'must be a name of 1-64 characters'),
      )
      .refine((antennas) => Object.keys(antennas).length > 0, 'needs at least one antenna')
      .meta(
        of('Receiver on the site map of each antenna in use, by its number from 1.', {
          1: 'door-3/room',
          2: 'door-3/corridor',
        }),
      ),
  })
  .meta(of('A reader at a serial device, a serial device server or in the network.'))

export type ReaderConfig = z.infer<typeof readerSourceSchema>
