// What a client sends for an item: the body read as JSON, and the faults of its fields.
'use strict'

const NAME_LENGTH_MAX = 100
const QUANTITY_MAX = 1_000_000

// Control characters, which no name needs and PostgreSQL's text cannot all hold, and halves of surrogate pairs.
// eslint-disable-next-line no-control-regex
const NOT_PLAIN = /[\x00-\x1f\x7f\p{Surrogate}]/u
const INTEGER = /^-?[0-9]+$/
// Of a text that is JSON: strings, punctuation, and numbers or words.
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

// The JSON object that `body` is with the text it is written as, or null where it is anything else.
function jsonObject (body) {
  let text, value
  try {
    text = decoder.decode(body)
    value = JSON.parse(text)
  } catch {
    return null
  }
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? { text, value } : null
}

// What is wrong with the fields, by name; null where nothing is.
function itemFaults ({ text, value }) {
  const faults = {}
  const name = nameFault(value)
  const quantity = quantityFault(value, text)
  if (name) faults.name = name
  if (quantity) faults.quantity = quantity
  return name || quantity ? faults : null
}

function nameFault (value) {
  if (!Object.hasOwn(value, 'name')) return 'is required'
  const { name } = value
  if (typeof name !== 'string') return 'must be a string'
  const length = [...name].length // in code points
  if (length < 1 || length > NAME_LENGTH_MAX) return `must have 1 to ${NAME_LENGTH_MAX} characters`
  return NOT_PLAIN.test(name) ? 'must be plain text' : null
}

function quantityFault (value, text) {
  if (!Object.hasOwn(value, 'quantity')) return 'is required'
  const { quantity } = value
  if (typeof quantity !== 'number' || !INTEGER.test(written(text, 'quantity'))) return 'must be an integer'
  return quantity >= 0 && quantity <= QUANTITY_MAX ? null : `must be from 0 to ${QUANTITY_MAX}`
}

// How the number or word of `field`, the last one so named, is written in the text of a JSON object: JSON.parse() reads 1.0 as 1.
function written (text, field) {
  let depth = 0
  let key = null
  let found = ''
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{' || token === '[') depth++
    else if (token === '}' || token === ']') depth--
    else if (depth !== 1 || token === ':') continue
    else if (token === ',') key = null
    else if (key === null) key = JSON.parse(token)
    else if (key === field) found = token
  }
  return found
}

module.exports = { jsonObject, itemFaults }
