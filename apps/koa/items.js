// The resource `/api/items`: listed, opened, created, edited, deleted.
'use strict'

const { Refusal, json, optional, refusal } = require('./answers')
const { itemFaults, jsonObject } = require('./item_fields')
const { database } = require('./records')

const BODY_MAX_BYTES = 4096
const ID_MAX = 2_147_483_647
const LIMIT = 20
const LIMIT_MAX = 100

async function list (ctx) {
  const after = optional(ctx, 'after', 0, ID_MAX)
  const limit = optional(ctx, 'limit', LIMIT, LIMIT_MAX, 1)
  json(ctx, await database().items(after, limit))
}

async function create (ctx) {
  const { name, quantity } = await nameAndQuantity(ctx)
  const item = await database().createItem(name, quantity)
  ctx.set('Location', `/api/items/${item.id}`)
  json(ctx, item, 201)
}

async function open (ctx) {
  json(ctx, found(await database().item(itemId(ctx))))
}

async function edit (ctx) {
  const { name, quantity } = await nameAndQuantity(ctx)
  json(ctx, found(await database().replaceItem(itemId(ctx), name, quantity)))
}

async function remove (ctx) {
  found(await database().deleteItem(itemId(ctx)))
  ctx.status = 204
}

function itemId (ctx) {
  const id = Number(ctx.params[0])
  return found(id <= ID_MAX && id) // the table cannot hold a larger one
}

function found (what) {
  if (!what) throw refusal(404, 'item: not found')
  return what
}

// What the body asks an item to be; throws for the first thing that is wrong with it.
async function nameAndQuantity (ctx) {
  if (ctx.get('Content-Type').split(';', 1)[0].trim().toLowerCase() !== 'application/json') {
    throw refusal(415, 'body: not application/json')
  }
  const read = jsonObject(await body(ctx))
  if (!read) throw refusal(400, 'body: not a JSON object')
  const faults = itemFaults(read)
  if (faults) throw new Refusal(422, { errors: faults })
  return read.value
}

async function body (ctx) {
  const tooLong = `body: longer than ${BODY_MAX_BYTES} bytes`
  if (ctx.request.length > BODY_MAX_BYTES) throw refusal(413, tooLong)
  const chunks = []
  let bytes = 0
  for await (const chunk of ctx.req) { // one sent in chunks has no length that could be known before
    bytes += chunk.length
    if (bytes > BODY_MAX_BYTES) throw refusal(413, tooLong)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

module.exports = { list, create, open, edit, remove }
