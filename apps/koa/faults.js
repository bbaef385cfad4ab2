// Failures on request, for experiments on what one of them does to other requests. Nothing loads this unless FAULT_SECRET is set.
'use strict'

const { timingSafeEqual } = require('node:crypto')
const { setTimeout: sleep } = require('node:timers/promises')
const { Worker } = require('node:worker_threads')
const { json, optional, refusal } = require('./answers')

const SECRET = process.env.FAULT_SECRET
const LONGEST_MS = 600_000
const kept = []

function allowed (ctx) {
  const given = Buffer.from(ctx.get('X-Fault-Secret'))
  const secret = Buffer.from(SECRET)
  return given.length === secret.length && timingSafeEqual(given, secret)
}

// Computes for `ms` milliseconds by the clock.
function burn (ms) {
  const began = Date.now() / 1000
  const end = performance.now() + ms
  let x = 1
  while (performance.now() < end) {
    for (let i = 0; i < 1000; i++) x = (Math.imul(x, 1103515245) + 12345) & 0x7fffffff
  }
  return { pid: process.pid, began, ended: Date.now() / 1000 }
}

// The same in a thread of its own.
function burnElsewhere (ms) {
  const code = `${burn}\nrequire('node:worker_threads').parentPort.postMessage(burn(${ms}))`
  return new Promise((resolve, reject) => {
    const worker = new Worker(code, { eval: true })
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}

// What the contract's faults do here; each is given the request's parameters by name.
const FAULTS = {
  raise: () => { throw new Error('asked for by /fault/raise') },
  exit: ({ code }) => process.exit(code),
  // The first process of a container ignores a signal that is only sent; abort() ends that one too.
  segv: () => { process.kill(process.pid, 'SIGSEGV'); process.abort() },
  hang: ({ ms }) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
    return { hung_ms: ms }
  },
  leak: ({ mib }) => {
    kept.push(Buffer.alloc(mib << 20, 1))
    return { kept_mib: kept.reduce((sum, one) => sum + one.length, 0) >> 20 }
  },
  burn: ({ ms, where }) => where === 'thread' ? burnElsewhere(ms) : burn(ms)
}

async function fault (ctx, next) {
  const commit = Object.hasOwn(FAULTS, ctx.params.name) && allowed(ctx) ? FAULTS[ctx.params.name] : null
  if (!commit) return next()
  const where = ctx.query.where ?? 'inline'
  if (where !== 'inline' && where !== 'thread') throw refusal(400, 'where: must be one of inline, thread')
  const parameters = {
    where,
    ms: optional(ctx, 'ms', 1000, LONGEST_MS),
    code: optional(ctx, 'code', 70, 255),
    mib: optional(ctx, 'mib', 64, 65_536)
  }
  await sleep(optional(ctx, 'after_ms', 0, LONGEST_MS))
  json(ctx, await commit(parameters))
}

module.exports = { fault }
