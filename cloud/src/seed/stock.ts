import type { Chance } from './chance.ts'

/** Kinds of things and how many of 1,500 a hospital has of each, from the most frequent on. */
const KINDS = (
  'Infusion pump:340,Hospital bed:180,Wheelchair:120,Patient monitor:90,Syringe pump:90,Vital signs monitor:60,Stretcher:50,' +
  'Ventilator:40,Computer on wheels:40,Pulse oximeter:40,Defibrillator:30,Suction pump:30,Feeding pump:30,Walking frame:30,' +
  'Commode chair:25,Patient lift:20,Electrocardiograph:20,Ultrasound scanner:18,Bladder scanner:15,Blood warmer:15,' +
  'Warming blanket unit:15,Nebulizer:15,Oxygen concentrator:15,Transport trolley:15,Crash cart:15,Mattress compressor:12,' +
  'Incubator:12,Phototherapy lamp:10,Radiant warmer:10,Fetal monitor:10,Dialysis machine:10,Anaesthesia workstation:10,' +
  'Electrosurgical generator:10,Operating table:10,Surgical light:8,Endoscope:10,Laryngoscope:10,Centrifuge:8,Refrigerator:8,' +
  'Mobile X-ray unit:4'
)
  .split(',')
  .map((entry) => {
    const [name = '', share] = entry.split(':')
    return { name, code: name.toLowerCase().replaceAll(' ', '-'), share: Number(share) }
  })

/** Made-up makers: no real company has its name on a demonstration. */
const MAKERS = (
  'Aldermed,Brightwell,Calloway,Dunmore,Eastbrook,Fairlane,Glenrock,Hartwick,Ivybridge,Juniper,Kestrel,Lindqvist,Marlowe,Norvik,' +
  'Oakhurst,Pemberton,Quillon,Ravenna,Sedgwick,Tamarind,Umbra,Valmont,Westerly,Yarrow'
).split(',')

/** GS1's own prefix for demonstrations and examples, which no company is given. */
const DEMO_PREFIX = '0952'
const MODELS = 85

/** A GTIN of 14 digits with its check digit (GS1 General Specifications, section 7.9). @param n of the article */
export function demoGtin(n: number): string {
  const body = `${DEMO_PREFIX}${String(n).padStart(9, '0')}`
  const sum = [...body].reduce((total, digit, index) => total + Number(digit) * (index % 2 === 0 ? 3 : 1), 0)
  return `${body}${(10 - (sum % 10)) % 10}`
}

export type Stock = ReturnType<typeof planStock>

/** Catalogues and things. @param count of things */
export function planStock(count: number, chance: Chance) {
  const vendors = MAKERS.map((name) => ({
    code: name.toLowerCase(),
    name: `${name} Medical`,
    kind: 'manufacturer' as const,
  }))
  const categories = KINDS.map(({ code, name }, n) => ({
    code,
    name,
    gmdn_code: String(30_000 + n * 37),
    default_pm_days: [180, 365, 365, 730][n % 4] ?? 365,
    default_life_months: 96 + (n % 5) * 12,
  }))
  // Every kind has a model, and the frequent ones more.
  const models = Array.from({ length: MODELS }, (_, n) => {
    const kind = n < KINDS.length ? n : (n * n) % 20
    return {
      manufacturer: vendors[n % vendors.length]?.code ?? '',
      model_no: `M-${100 + n}`,
      name: `${KINDS[kind]?.name} ${100 + n}`,
      category: KINDS[kind]?.code ?? '',
      udi_di: demoGtin(n + 1),
    }
  })
  const things = Array.from({ length: count }, (_, n) => {
    const kind = kindAt(((n + 0.5) / count) * SHARES)
    const ofKind = models.filter(({ category }) => category === kind.code)
    const model = chance.pick(ofKind)
    return {
      model: model.model_no,
      asset_tag: `BIO-${String(n + 1).padStart(5, '0')}`,
      name: `${kind.name} ${n + 1}`,
      serial_no: `S${String((n * 7_919) % 1_000_003).padStart(7, '0')}`,
      criticality: /Ventilator|Defibrillator|Anaesthesia|Dialysis/.test(kind.name)
        ? ('life_support' as const)
        : ('medium' as const),
      condition: chance.pick(['new', 'good', 'good', 'good', 'fair'] as const),
      udi: `(01)${model.udi_di}(21)${n + 1}`,
    }
  })
  return { vendors, categories, models, things }
}

const SHARES = KINDS.reduce((sum, { share }) => sum + share, 0)

function kindAt(place: number): (typeof KINDS)[number] {
  let end = 0
  for (const kind of KINDS) {
    end += kind.share
    if (end > place) return kind
  }
  throw new RangeError(`no kind of thing at ${place} of ${SHARES}`)
}
