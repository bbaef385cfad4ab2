// What the handlers share: exact JSON, and refusals that are thrown and answered as JSON.
'use strict'

const parameters = require('./parameters')

class Refusal extends Error {
  constructor (status, value) {
    super(`answered ${status}`)
    this.status = status
    this.value = value
  }
}

function json (ctx, value, status = 200) {
  ctx.status = status
  ctx.set('Content-Type', 'application/json') // ctx.type would add a charset
  ctx.body = JSON.stringify(value)
}

// Middleware: what a handler throws as a Refusal is its answer.
async function refusals (ctx, next) {
  try {
    await next()
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    json(ctx, error.value, error.status)
  }
}

function refusal (status, reason) {
  return new Refusal(status, { error: reason })
}

function lenient (ctx, name) {
  return parameters.lenient(ctx.query[name])
}

function strict (ctx, name, highest, lowest = 0) {
  const { number, fault } = parameters.strict(ctx.query[name], highest, lowest)
  if (fault) throw refusal(400, `${name}: ${fault}`)
  return number
}

// As `strict`, but `absent` where the parameter is missing.
function optional (ctx, name, absent, highest, lowest = 0) {
  return ctx.query[name] === undefined ? absent : strict(ctx, name, highest, lowest)
}

module.exports = { Refusal, json, refusals, refusal, lenient, strict, optional }
