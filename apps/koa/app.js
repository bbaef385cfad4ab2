// The contract's application in Koa: the routes, and what ends with the process.
'use strict'

const Koa = require('koa')
const Router = require('@koa/router')
const { refusals } = require('./answers')
const handlers = require('./handlers')
const items = require('./items')
const records = require('./records')

// An id is written without zeros in front.
const ITEM = /^\/api\/items\/([1-9][0-9]{0,9})$/

// A slash at the end, or letters in another case, make another path.
const router = new Router({ strict: true, sensitive: true })
router.get('/healthz', handlers.healthz)
router.get('/plaintext', handlers.plaintext)
router.get('/json', handlers.json)
router.get('/io', handlers.io)
router.get('/cpu', handlers.cpu)
router.post('/upload', handlers.upload)
router.get('/blob', handlers.blob)
router.get(/^\/static\/./, handlers.staticFile)
router.get('/whoami', handlers.whoami)
router.get('/db', records.db)
router.get('/queries', records.queries)
router.get('/fortunes', records.fortunes)
router.get('/updates', records.updates)
router.get('/cached-queries', records.cachedQueries)
router.get('/io-db', records.ioDb)
router.get('/api/items', items.list)
router.post('/api/items', items.create)
router.get(ITEM, items.open)
router.put(ITEM, items.edit)
router.delete(ITEM, items.remove)
if (process.env.FAULT_SECRET) {
  const { fault } = require('./faults')
  router.get('/fault/:name', fault)
  router.post('/fault/:name', fault)
}

const app = new Koa()
app.use(refusals)
app.use(router.routes())
app.use(router.allowedMethods())
app.on('error', (error, ctx) => {
  // What the client did wrong is in the answer; where the client went away, nobody is left to tell.
  if (!error.expose && !ctx?.req.socket.destroyed) console.error(error)
})

module.exports = app.callback()
// Ends the database's connections; whoever hosts the listener calls it last.
module.exports.close = records.close
