import { BioTrakrError } from '@biotrakr/shared'

/** What can be wrong with a Bluetooth adapter, in words for the person who installs the gateway. */
export const bleTrouble = {
  unsupported: (cause?: unknown) =>
    new BioTrakrError('this machine has no Bluetooth', {
      code: 'BLE_UNSUPPORTED',
      next: 'Use a kernel with Bluetooth, or name a serial controller by its port.',
      cause,
    }),
  noLibrary: (cause: unknown) =>
    new BioTrakrError('the Bluetooth library cannot be loaded', {
      code: 'BLE_UNSUPPORTED',
      next: 'Install the agent again for this kind of machine.',
      cause,
    }),
  absent: (wanted: string, present: readonly string[] = []) =>
    new BioTrakrError(`Bluetooth adapter ${wanted} is not there`, {
      code: 'BLE_NO_ADAPTER',
      next:
        present.length > 0
          ? `There is ${present.join(', ')}. Correct the configuration or plug the adapter in.`
          : 'Plug the adapter in.',
    }),
  gone: (wanted: string) =>
    new BioTrakrError(`Bluetooth adapter ${wanted} was switched off or unplugged`, {
      code: 'BLE_NO_ADAPTER',
      next: 'Plug it in again; it is looked for every 5 s.',
    }),
  down: (wanted: string) =>
    new BioTrakrError(`Bluetooth adapter ${wanted} is down and cannot be switched on`, {
      code: 'BLE_ADAPTER_DOWN',
      next: `Run: btmgmt --index ${wanted} power on`,
    }),
  blocked: (wanted: string) =>
    new BioTrakrError(`Bluetooth adapter ${wanted} is blocked by rfkill`, {
      code: 'BLE_BLOCKED',
      next: 'Run: rfkill unblock bluetooth. A hardware switch has to be moved by hand.',
    }),
  forbidden: (what: string, next: string, cause?: unknown) =>
    new BioTrakrError(`not allowed to use ${what}`, { code: 'BLE_FORBIDDEN', next, cause }),
  capability: (wanted: string, capability: string) =>
    new BioTrakrError(`not allowed to use Bluetooth adapter ${wanted}: ${capability} is missing`, {
      code: 'BLE_FORBIDDEN',
      next: `Run the agent as its systemd unit does, with AmbientCapabilities=${capability}.`,
    }),
  refused: (wanted: string, status: number) =>
    new BioTrakrError(
      `Bluetooth adapter ${wanted} refused to scan (status 0x${status.toString(16).padStart(2, '0')})`,
      { code: 'BLE_REFUSED', next: 'See whether another program uses the adapter, such as bluetoothd.' },
    ),
  silent: (wanted: string) =>
    new BioTrakrError(`Bluetooth adapter ${wanted} does not answer`, {
      code: 'BLE_SILENT',
      next: 'Unplug it and plug it in again; if that does not help, replace it.',
    }),
  crashed: (wanted: string, code: number) =>
    new BioTrakrError(`Bluetooth adapter ${wanted} reported hardware error 0x${code.toString(16).padStart(2, '0')}`, {
      code: 'BLE_CRASHED',
      next: 'It is started again; if this comes back, replace the adapter.',
    }),
  untapped: (wanted: string, why: string) =>
    new BioTrakrError(`Bluetooth adapter ${wanted}: reports cannot be taken below noble's events (${why})`, {
      code: 'BLE_UNTAPPED',
      next: 'Use the version of @stoprocent/noble that this agent was tested with.',
    }),
  driver: (wanted: string, cause?: unknown) =>
    new BioTrakrError(`Bluetooth adapter ${wanted} cannot be used`, {
      code: 'BLE_DRIVER',
      next: 'See the cause; check cable, port and power.',
      cause,
    }),
} as const

/** Sorts an error of a driver: the operating system's words or codes, as serialport and the HCI socket pass them on. */
export function troubleOf(wanted: string, error: Error): BioTrakrError {
  const text = `${'code' in error ? String(error.code) : ''} ${error.message}`
  if (/address family not supported/i.test(text)) return bleTrouble.unsupported(error)
  if (/no such file|no such device|ENOENT|ENODEV|ENXIO/i.test(text)) return bleTrouble.absent(wanted)
  if (/network is down|ENETDOWN/i.test(text)) return bleTrouble.gone(wanted)
  if (/permission denied|operation not permitted|EACCES|EPERM/i.test(text)) {
    return bleTrouble.forbidden(
      wanted,
      'Give the agent the right: group dialout for a port, CAP_NET_RAW for an adapter.',
      error,
    )
  }
  return bleTrouble.driver(wanted, error)
}
