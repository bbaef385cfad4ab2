// Serves a Node request listener from a file: node run_node.cjs --bind=tcp:HOST:PORT [--backlog=N] [--workers=N] FILE
//
// The file exports a function (request, response). If that has a function `close`, it is awaited last. With --workers a primary
// process starts so many by Node's module cluster, hands them the connections in turn, and starts another for one that ends.
'use strict'

const cluster = require('node:cluster')
const { chmodSync } = require('node:fs')
const http = require('node:http')
const path = require('node:path')
const { parseArgs } = require('node:util')

// Longer than nginx keeps an idle upstream connection (60 s), so that it is nginx which closes.
const KEEPALIVE_MS = 75_000
// After the signal: time for requests under way to finish, then for what the listener holds to close.
const DRAIN_MS = 250
const CLOSE_MS = 250

function main () {
  const options = commandLine()
  if (options.workers && cluster.isPrimary) supervise(options.workers)
  else serve(require(path.resolve(options.target)), options)
}

function commandLine () {
  const { values, positionals } = parsed()
  if (positionals.length !== 1 || !values.bind) fail('usage: --bind=tcp:HOST:PORT|unix:PATH [--backlog=N] [--workers=N] FILE')
  return {
    target: positionals[0],
    address: address(values.bind),
    backlog: number(values.backlog ?? '2048'),
    workers: number(values.workers ?? '0')
  }
}

function parsed () {
  const options = { bind: { type: 'string' }, backlog: { type: 'string' }, workers: { type: 'string' } }
  try {
    return parseArgs({ allowPositionals: true, options })
  } catch (error) {
    return fail(error.message)
  }
}

// `tcp:HOST:PORT` or `unix:PATH` as what listen() takes.
function address (text) {
  const [, socket, host, port] = /^(?:unix:(.+)|tcp:(.+):([0-9]+))$/.exec(text) || []
  if (socket) return { path: socket }
  if (host) return { host, port: Number(port) }
  return fail(`${text} is neither tcp:HOST:PORT nor unix:PATH`)
}

function number (text) {
  return /^[0-9]+$/.test(text) ? Number(text) : fail(`${text} is not a whole number`)
}

function fail (message) {
  console.error(`run_node.cjs: ${message}`)
  process.exit(2)
}

// The primary process. One that ends before it listens would only end again: then all do.
function supervise (count) {
  const listening = new Set()
  let stopping = false
  cluster.on('listening', (worker) => listening.add(worker.id))
  cluster.on('exit', (worker, code, signal) => {
    if (stopping) return
    console.error(`run_node.cjs: worker ${worker.process.pid} ended (${signal || code})`)
    if (listening.delete(worker.id)) cluster.fork()
    else stop(1)
  })
  function stop (code) {
    stopping = true
    for (const worker of Object.values(cluster.workers)) worker.process.kill('SIGTERM')
    process.exitCode = code
  }
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => stop(0))
  for (let i = 0; i < count; i++) cluster.fork()
}

// One process that answers until a signal says stop; then it finishes within a second.
function serve (listener, options) {
  const server = http.createServer(listener)
  server.keepAliveTimeout = KEEPALIVE_MS
  server.on('error', (error) => fail(`cannot listen: ${error.message}`))
  server.listen({ ...options.address, backlog: options.backlog }, () => {
    // Any user may connect: a proxy's workers run as another one than this process.
    if (options.address.path) chmodSync(options.address.path, 0o666)
  })
  async function stop () {
    setTimeout(() => server.closeAllConnections(), DRAIN_MS).unref()
    await new Promise((resolve) => server.close(resolve))
    setTimeout(() => process.exit(0), CLOSE_MS)
    await listener.close?.()
    process.exit(0)
  }
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, stop)
}

main()
