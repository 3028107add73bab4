import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'

import { X509Crl } from '@peculiar/x509'

import type { Finding } from './doctor-database.ts'

const DAY_MS = 86_400_000
/** Of pairs that live for a year: time for somebody to come back from holiday. */
const SOON_DAYS = 30
/** The list lives for a week and is written anew every few hours. */
const LIST_SOON_DAYS = 3
/** An authority that runs out takes every gateway with it. */
const AUTHORITY_SOON_DAYS = 365

const RENEW = 'Run: biotrakr-cloud ca renew PATH --folder FOLDER, with the path of the pair and the authorities'
const ENROL = 'Run: systemctl restart biotrakr-enroll (or docker compose restart enroll), which writes a new list.'

/** Files of one process of the centre; what is absent is not looked at. */
export interface CertificateFiles {
  readonly pages?: string | undefined
  readonly enrolment?: string | undefined
  readonly brokerSignIn?: string | undefined
  readonly authorities?: readonly string[]
  readonly revocationList?: string | undefined
}

/** How long what this process shows and relies on is still valid. */
export function examineCertificates(files: CertificateFiles, nowMs: number): Finding[] {
  const { pages, enrolment, brokerSignIn, authorities = [], revocationList } = files
  const pairs = [
    ['certificate of serve', pages],
    ['certificate of enroll', enrolment],
    ['certificate for the broker', brokerSignIn],
  ] as const
  return [
    ...pairs.flatMap(([check, file]) => (file === undefined ? [] : [ofPair(check, file, nowMs)])),
    ...authorities.map((file) => ofAuthority(file, nowMs)),
    ...(revocationList === undefined ? [] : [ofList(revocationList, nowMs)]),
  ]
}

/** What a server shows, or what lies in a file. */
export function pairFinding(check: string, certificate: X509Certificate, nowMs: number): Finding {
  const { validFrom, validTo } = certificate
  if (Date.parse(validFrom) > nowMs) {
    const mend = "Check this machine's date: timedatectl set-ntp true"
    return { check, state: 'fail', meaning: `not valid before ${day(Date.parse(validFrom))}`, mend }
  }
  return dated(check, Date.parse(validTo), { nowMs, soonDays: SOON_DAYS, mend: RENEW })
}

function ofPair(check: string, file: string, nowMs: number): Finding {
  return looked(check, file, () => pairFinding(check, new X509Certificate(readFileSync(file)), nowMs))
}

function ofAuthority(file: string, nowMs: number): Finding {
  const check = 'authority'
  const mend = 'Make new authorities with biotrakr-cloud ca init in another folder, and enrol every gateway again.'
  return looked(check, file, () => {
    const { validTo } = new X509Certificate(readFileSync(file))
    return dated(check, Date.parse(validTo), { nowMs, soonDays: AUTHORITY_SOON_DAYS, mend })
  })
}

function ofList(file: string, nowMs: number): Finding {
  const check = 'revocation list'
  return looked(check, file, () => {
    const { nextUpdate } = new X509Crl(readFileSync(file, 'utf8'))
    return dated(check, nextUpdate?.getTime() ?? Number.NaN, { nowMs, soonDays: LIST_SOON_DAYS, mend: ENROL })
  })
}

interface Dates {
  readonly nowMs: number
  readonly soonDays: number
  readonly mend: string
}

function dated(check: string, untilMs: number, { nowMs, soonDays, mend }: Dates): Finding {
  const left = Math.floor((untilMs - nowMs) / DAY_MS)
  if (!(untilMs > nowMs)) return { check, state: 'fail', meaning: `expired on ${day(untilMs)}`, mend }
  const meaning = `valid until ${day(untilMs)}, ${left} days left`
  return left < soonDays ? { check, state: 'warn', meaning, mend } : { check, state: 'ok', meaning }
}

function looked(check: string, file: string, look: () => Finding): Finding {
  try {
    return look()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { check, state: 'fail', meaning: `${file}: ${reason}`, mend: 'Check the path and who may read it.' }
  }
}

const day = (ms: number): string => (Number.isNaN(ms) ? 'an unknown day' : new Date(ms).toISOString().slice(0, 10))
