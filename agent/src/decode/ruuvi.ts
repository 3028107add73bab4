import { allOnes, hex, macBe, s16be, u8, u16be } from './bytes.ts'
import { ABSENT_S16, type FieldsDraft, type Frame, type Span } from './frame.ts'

/**
 * Ruuvi data formats 3, 5 and 6 (docs.ruuvi.com/communication/bluetooth-advertisements), big-endian. "Not available" is
 * the largest unsigned or the smallest signed number.
 */
export function decodeRuuvi(span: Span): Frame | string | undefined {
  switch (u8(span.bytes, span.at)) {
    case 3:
      return decodeFormat3(span)
    case 5:
      return decodeFormat5(span)
    case 6:
      return decodeFormat6(span)
    default:
      return undefined
  }
}

/** Format 3 has no "not available" codes. Its temperature is a sign, whole degrees and hundredths. */
function decodeFormat3({ bytes, at, end }: Span): Frame | string {
  if (end - at !== 14) return 'Ruuvi format 3 of a wrong length'
  const hundredths = (u8(bytes, at + 2) & 0x7f) * 100 + u8(bytes, at + 3)
  return {
    format: 'ruuvi-df3',
    fields: {
      temperature: (u8(bytes, at + 2) & 0x80 ? -hundredths : hundredths) / 100,
      humidity: u8(bytes, at + 1) / 2,
      pressurePa: u16be(bytes, at + 4) + 50_000,
      accG: [s16be(bytes, at + 6) / 1000, s16be(bytes, at + 8) / 1000, s16be(bytes, at + 10) / 1000],
      batteryMv: u16be(bytes, at + 12),
    },
  }
}

/** Temperature, humidity and pressure stand alike in formats 5 and 6. */
function climate(bytes: Uint8Array, at: number): FieldsDraft {
  const fields: FieldsDraft = {}
  const temperature = s16be(bytes, at)
  const humidity = u16be(bytes, at + 2)
  const pressure = u16be(bytes, at + 4)
  if (temperature !== ABSENT_S16) fields.temperature = temperature / 200
  if (humidity !== 0xffff) fields.humidity = humidity / 400
  if (pressure !== 0xffff) fields.pressurePa = pressure + 50_000
  return fields
}

function decodeFormat5({ bytes, at, end }: Span): Frame | string {
  if (end - at !== 24) return 'Ruuvi format 5 of a wrong length'
  const fields = climate(bytes, at + 1)
  const [x, y, z] = [s16be(bytes, at + 7), s16be(bytes, at + 9), s16be(bytes, at + 11)]
  const power = u16be(bytes, at + 13)
  const sequence = u16be(bytes, at + 16)
  if (x !== ABSENT_S16 && y !== ABSENT_S16 && z !== ABSENT_S16) fields.accG = [x / 1000, y / 1000, z / 1000]
  if (power >> 5 !== 0x7ff) fields.batteryMv = (power >> 5) + 1600
  if ((power & 0x1f) !== 0x1f) fields.txPower = (power & 0x1f) * 2 - 40
  if (u8(bytes, at + 15) !== 0xff) fields.movementCounter = u8(bytes, at + 15)
  if (sequence !== 0xffff) fields.sequence = sequence
  if (!allOnes(bytes, at + 18, at + 24)) fields.mac = macBe(bytes, at + 18)
  return { format: 'ruuvi-df5', fields }
}

/** Light is logarithmic: 254 codes up to 65,535 lux. */
const LUX_STEP = Math.log(65_536) / 254

function decodeFormat6({ bytes, at, end }: Span): Frame | string {
  if (end - at !== 20) return 'Ruuvi format 6 of a wrong length'
  const fields = climate(bytes, at + 1)
  const pm25 = u16be(bytes, at + 7)
  const co2 = u16be(bytes, at + 9)
  const flags = u8(bytes, at + 16)
  const voc = u8(bytes, at + 11) * 2 + ((flags >> 6) & 1)
  const nox = u8(bytes, at + 12) * 2 + (flags >> 7)
  const light = u8(bytes, at + 13)
  if (pm25 !== 0xffff) fields.pm25 = pm25 / 10
  if (co2 !== 0xffff) fields.co2 = co2
  if (voc <= 500) fields.voc = voc
  if (nox <= 500) fields.nox = nox
  if (light !== 0xff) fields.lux = Math.round((Math.exp(light * LUX_STEP) - 1) * 100) / 100
  fields.sequence = u8(bytes, at + 15)
  if (!allOnes(bytes, at + 17, at + 20)) fields.macSuffix = hex(bytes, at + 17, at + 20)
  return { format: 'ruuvi-df6', fields }
}
