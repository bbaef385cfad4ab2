// The endpoints that need the database.
'use strict'

const { readFileSync } = require('node:fs')
const path = require('node:path')
const ejs = require('ejs')
const { json, lenient, refusal, strict } = require('./answers')
const { Database } = require('./database')
const { WAIT_MAX_MS } = require('./handlers')

const page = ejs.compile(readFileSync(path.join(__dirname, 'views', 'fortunes.ejs'), 'utf8'))
const url = process.env.DATABASE_URL
// Nothing is connected before a request asks for something.
const held = url ? new Database(url, Number(process.env.DB_POOL_MAX || 4)) : null

function database () {
  if (held) return held
  throw refusal(503, 'DATABASE_URL is not set')
}

async function close () {
  if (held) await held.close()
}

async function db (ctx) {
  json(ctx, await database().world())
}

async function queries (ctx) {
  json(ctx, await database().worlds(lenient(ctx, 'queries')))
}

async function fortunes (ctx) {
  const rows = await database().fortunes()
  rows.push({ id: 0, message: 'Additional fortune added at request time.' })
  rows.sort((a, b) => byCodePoint(a.message, b.message))
  ctx.type = 'html'
  ctx.body = page({ fortunes: rows })
}

async function updates (ctx) {
  json(ctx, await database().updateWorlds(lenient(ctx, 'queries')))
}

async function cachedQueries (ctx) {
  json(ctx, await database().cachedWorlds(lenient(ctx, 'count')))
}

async function ioDb (ctx) {
  const ms = strict(ctx, 'ms', WAIT_MAX_MS)
  await database().sleep(ms)
  json(ctx, { waited_ms: ms })
}

// Strings compare by units of UTF-16, in which what lies beyond U+FFFF comes before U+E000.
function byCodePoint (a, b) {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = a.charCodeAt(i) - b.charCodeAt(i)
    if (difference) return rank(a.charCodeAt(i)) - rank(b.charCodeAt(i))
  }
  return a.length - b.length
}

function rank (unit) {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit
}

module.exports = { close, database, db, queries, fortunes, updates, cachedQueries, ioDb }
