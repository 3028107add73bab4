import { createLineDevice, createLlrpDevice, listenTcp, openProfiles, systemClock, type Wire } from '@biotrakr/agent'
import type { WardReader, WardThings } from '@biotrakr/sim'

/** Ward readers behind ports of this process, and the agent's configuration of each. */
interface RunningReaders {
  readonly sources: readonly object[]
  stop(): Promise<void>
}

/** A fixed reader of its own at the door, and a module behind a serial device server at the bed. */
const MODELS = { portal: 'llrp', bedside: 'thingmagic-mercury' } as const
const READS_PER_SECOND = 20
const REGION = 'ETSI'
const POWER_DBM = 20

/**
 * Starts the ward's simulated readers, each on a port of its own, where the agent finds them as it finds real ones: bytes
 * of the reader's own protocol over TCP, region, power, start and stop included.
 * @throws BioTrakrError PORT_FAILED
 */
export async function startWardReaders(things: WardThings): Promise<RunningReaders> {
  const wires: Wire[] = []
  const sources: object[] = []
  const stop = async () => {
    for (const wire of wires.splice(0)) await wire.stop()
  }
  try {
    for (const reader of things.readers) {
      const wire = await listenTcp(deviceOf(reader), { host: '127.0.0.1', port: 0 }, systemClock)
      wires.push(wire)
      sources.push({
        kind: 'reader',
        name: reader.name,
        address: wire.address,
        profile: MODELS[reader.name],
        region: REGION,
        powerDbm: POWER_DBM,
        antennas: reader.antennas,
      })
    }
  } catch (error) {
    await stop()
    throw error
  }
  return { sources, stop }
}

function deviceOf({ name, fieldAt }: WardReader) {
  const options = {
    tags: () => fieldAt(systemClock.wallMs()),
    readsPerSecond: READS_PER_SECOND,
    noise: 0,
    clock: systemClock,
    random: Math.random,
  }
  const store = openProfiles()
  const model = MODELS[name]
  return store.isBuiltIn(model) ? createLlrpDevice(options) : createLineDevice(store.load(model), options)
}
