import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'

import schema from '../profile.schema.json' with { type: 'json' }
import { joinPath, type Problem, pathOfPointer } from './problem.ts'
import type { ProfileDocument } from './profile.ts'

// `discriminator` makes ajv tell what is wrong with the kind of field that was meant, not with every other kind.
const ajv = new Ajv2020({ allErrors: true, discriminator: true, strictRequired: false, allowUnionTypes: true })
const fits = ajv.compile<ProfileDocument>(schema)

/** Everything about a document that its schema forbids. */
export function schemaProblems(document: unknown): Problem[] {
  return fits(document) ? [] : (fits.errors ?? []).map(problemOf)
}

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
  return { path, message: error.message ?? 'does not fit' }
}
