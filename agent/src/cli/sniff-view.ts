import type { Telemetry } from '@biotrakr/shared'

import type { Heard } from './sniff-board.ts'

/** Everything to show at one moment. */
export interface SniffPicture {
  readonly atMs: number
  /** One line on each adapter. */
  readonly adapters: readonly string[]
  readonly devices: readonly Heard[]
  /** Adverts of others than the site's tags, by class. */
  readonly strangers: Readonly<Record<string, number>>
}

export interface SniffView {
  show(picture: SniffPicture): void
  end(): void
}

type Output = Pick<NodeJS.WriteStream, 'isTTY' | 'rows' | 'columns' | 'write'>

const PIPE_EVERY_MS = 5_000
const HEAD_LINES = 4

/** A table that is drawn anew on a terminal, lines on a pipe, or one JSON object a second. */
export function createSniffView(out: Output, json: boolean): SniffView {
  if (json) return { show: (picture) => out.write(`${JSON.stringify(picture)}\n`), end: () => undefined }
  return out.isTTY ? terminalView(out) : pipeView(out)
}

function terminalView(out: Output): SniffView {
  // The alternate screen: what was there before comes back.
  let isOpen = false
  return {
    show(picture) {
      if (!isOpen) out.write('\u001b[?1049h\u001b[?25l')
      isOpen = true
      const room = Math.max(1, (out.rows || 24) - HEAD_LINES - picture.adapters.length)
      const hidden = picture.devices.length - room
      const lines = [
        ...picture.adapters,
        strangerLine(picture),
        '',
        columns('WHO', { receiver: 'ADAPTER', rssi: 'dBm', rate: 'ADV/S', age: 'SEEN', says: 'SAYS' }),
        ...picture.devices.slice(0, room).map(row),
        ...(hidden > 0 ? [`and ${hidden} more`] : []),
      ]
      const width = out.columns || 80
      out.write(`\u001b[H${lines.map((line) => `${line.slice(0, width - 1)}\u001b[K`).join('\r\n')}\u001b[J`)
    },
    end() {
      if (isOpen) out.write('\u001b[?25h\u001b[?1049l')
    },
  }
}

function pipeView(out: Output): SniffView {
  let shownMs = Number.NEGATIVE_INFINITY
  return {
    show(picture) {
      if (picture.atMs - shownMs < PIPE_EVERY_MS) return
      shownMs = picture.atMs
      const lines = [...picture.adapters, strangerLine(picture), ...picture.devices.map(row)]
      out.write(lines.map((line) => `${line}\n`).join(''))
    },
    end: () => undefined,
  }
}

function strangerLine({ strangers }: SniffPicture): string {
  const classes = Object.entries(strangers).sort((a, b) => b[1] - a[1])
  return `adverts of others: ${classes.map(([name, count]) => `${count} ${name}`).join(', ') || 'none'}`
}

function row({ who, receiver, rssiDbm, perSecond, silentMs, says }: Heard): string {
  return columns(who, {
    receiver,
    rssi: rssiDbm === null ? '?' : String(rssiDbm),
    rate: perSecond.toFixed(1),
    age: `${(silentMs / 1_000).toFixed(1)} s`,
    says: says ? spoken(says) : '',
  })
}

interface Cells {
  readonly receiver: string
  readonly rssi: string
  readonly rate: string
  readonly age: string
  readonly says: string
}

function columns(who: string, { receiver, rssi, rate, age, says }: Cells): string {
  const text = [who.padEnd(22), receiver.padEnd(14), rssi.padStart(5), rate.padStart(6), age.padStart(7), ` ${says}`]
  return text.join(' ').trimEnd()
}

function spoken({ batteryPercent, temperatureC, humidityPercent, moving, pressed, tamper }: Telemetry): string {
  return [
    batteryPercent !== undefined && `battery ${batteryPercent} %`,
    temperatureC !== undefined && `${temperatureC.toFixed(1)} degC`,
    humidityPercent !== undefined && `${humidityPercent.toFixed(0)} %RH`,
    moving && 'moving',
    pressed && 'PRESSED',
    tamper && 'OPENED',
  ]
    .filter(Boolean)
    .join(', ')
}
