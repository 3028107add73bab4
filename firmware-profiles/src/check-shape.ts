import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'

import schema from '../profile.schema.json' with { type: 'json' }
import { joinPath, type Problem, pathOfPointer } from './problem.ts'

// `discriminator` makes ajv tell what is wrong with the kind of field that was meant, not with every other kind.
const ajv = new Ajv2020({ allErrors: true, discriminator: true, strictRequired: false, allowUnionTypes: true })
const fits = ajv.compile(schema)

/** Everything about a document that its schema forbids. */
export function schemaProblems(document: unknown): Problem[] {
  if (fits(document)) return []
  // Of a branch only what is wrong in it says anything.
  return (fits.errors ?? []).filter(({ keyword }) => keyword !== 'if').map(problemOf)
}

/** Keys that only profiles with a driver have, and those that they cannot have. */
const MISPLACED =
  'does not belong into this kind of profile: one with a driver is set up, any other describes a protocol'

function problemOf(error: ErrorObject): Problem {
  const path = pathOfPointer(error.instancePath)
  const params: Readonly<Record<string, unknown>> = error.params
  const extra = params['additionalProperty']
  if (typeof extra === 'string') {
    return { path: joinPath(path, extra), message: 'unknown key; check the spelling or remove it' }
  }
  const missing = params['missingProperty']
  if (typeof missing === 'string') return { path: joinPath(path, missing), message: 'is missing' }
  const allowed = params['allowedValues']
  if (Array.isArray(allowed)) return { path, message: `must be one of ${allowed.join(', ')}` }
  if (error.keyword === 'false schema') return { path, message: MISPLACED }
  return { path, message: error.message ?? 'does not fit' }
}
