// The endpoints that need no database.
'use strict'

const { createHash } = require('node:crypto')
const { Readable } = require('node:stream')
const { performance } = require('node:perf_hooks')
const { setTimeout: sleep } = require('node:timers/promises')
const { send } = require('@koa/send')
const koa = require('koa/package.json')
const { json, refusal, strict } = require('./answers')

const WAIT_MAX_MS = 10_000
const ROUNDS_MAX = 10_000_000
const UPLOAD_MAX_BYTES = 64 * 1024 * 1024
const BLOB_MAX_BYTES = 256 * 1024 * 1024
const STATIC_DIR = process.env.STATIC_DIR || 'static'
const PIECE = Buffer.from(Array.from({ length: 65536 }, (_, i) => i & 0xff))

function healthz (ctx) {
  ctx.body = 'ok'
}

function plaintext (ctx) {
  ctx.body = 'Hello, World!'
}

function jsonMessage (ctx) {
  json(ctx, { message: 'Hello, World!' })
}

async function io (ctx) {
  const ms = strict(ctx, 'ms', WAIT_MAX_MS)
  const end = performance.now() + ms
  // A timer counts from the start of the loop's turn, so it may fire up to a millisecond early.
  for (let left = ms; left > 0; left = end - performance.now()) await sleep(Math.ceil(left))
  json(ctx, { waited_ms: ms })
}

function cpu (ctx) {
  const rounds = strict(ctx, 'n', ROUNDS_MAX)
  let x = 1
  for (let i = 0; i < rounds; i++) {
    // A double cannot hold the product; Math.imul keeps its low 32 bits, of which 31 are asked for.
    x = (Math.imul(x, 1103515245) + 12345) & 0x7fffffff
  }
  json(ctx, { n: rounds, result: x })
}

async function upload (ctx) {
  const tooLong = `body: longer than ${UPLOAD_MAX_BYTES} bytes`
  if (ctx.request.length > UPLOAD_MAX_BYTES) throw refusal(413, tooLong)
  const digest = createHash('sha256')
  let bytes = 0
  try {
    for await (const chunk of ctx.req) {
      bytes += chunk.length
      if (bytes > UPLOAD_MAX_BYTES) throw refusal(413, tooLong)
      digest.update(chunk)
    }
  } catch (error) {
    if (error.code === 'ECONNRESET') throw refusal(400, 'body: broken off')
    throw error
  }
  json(ctx, { bytes, sha256: digest.digest('hex') })
}

// Makes the next piece only when the connection has taken those before.
class Pattern extends Readable {
  constructor (bytes) {
    super({ highWaterMark: PIECE.length })
    this.left = bytes
  }

  _read () {
    const piece = PIECE.subarray(0, this.left)
    this.left -= piece.length
    this.push(piece.length ? piece : null)
  }
}

function blob (ctx) {
  const bytes = strict(ctx, 'bytes', BLOB_MAX_BYTES)
  ctx.body = new Pattern(bytes)
  ctx.length = bytes
}

async function staticFile (ctx) {
  await send(ctx, ctx.path.slice('/static/'.length), { root: STATIC_DIR, brotli: false, gzip: false })
}

function whoami (ctx) {
  json(ctx, {
    framework: 'koa',
    framework_version: koa.version,
    server: `node/${process.versions.node}`,
    python: null,
    implementation: `node/${process.versions.node}`,
    loop: 'libuv',
    pid: process.pid,
    data: 'node-postgres'
  })
}

module.exports = { healthz, plaintext, json: jsonMessage, io, cpu, upload, blob, staticFile, whoami, WAIT_MAX_MS }
