// The database endpoints' data, by node-postgres and its pool.
'use strict'

const { Pool } = require('pg')

const WORLDS = 10_000
// A request waits this long for a connection: more than the longest /io-db that may hold the last one.
const POOL_WAIT_MS = 120_000

// A statement with a name is prepared once on each connection.
const SELECT_WORLD = { name: 'world', text: 'SELECT id, randomnumber AS "randomNumber" FROM world WHERE id = $1' }
const SELECT_WORLDS = 'SELECT id, randomnumber AS "randomNumber" FROM world'
const SELECT_FORTUNES = { name: 'fortunes', text: 'SELECT id, message FROM fortune' }
// The rows are locked in ascending order of id, so that of two requests that meet one waits for the other, and neither for both.
const UPDATE_WORLDS = {
  name: 'update-worlds',
  text: `UPDATE world SET randomnumber = new.number
    FROM (SELECT w.id, n.number FROM unnest($1::int[], $2::int[]) AS n (id, number) JOIN world w USING (id)
          ORDER BY w.id FOR UPDATE OF w) AS new
    WHERE world.id = new.id`
}
const SELECT_ITEMS = {
  name: 'items', text: 'SELECT id, name, quantity FROM item WHERE id > $1 ORDER BY id LIMIT $2'
}
const SELECT_ITEM = { name: 'item', text: 'SELECT id, name, quantity FROM item WHERE id = $1' }
const INSERT_ITEM = {
  name: 'create-item', text: 'INSERT INTO item (name, quantity) VALUES ($1, $2) RETURNING id, name, quantity'
}
const UPDATE_ITEM = {
  name: 'replace-item', text: 'UPDATE item SET name = $2, quantity = $3 WHERE id = $1 RETURNING id, name, quantity'
}
const DELETE_ITEM = { name: 'delete-item', text: 'DELETE FROM item WHERE id = $1' }
const SLEEP = { name: 'sleep', text: 'SELECT pg_sleep($1::int / 1000.0)' }

// A pool that opens its connections when requests need them, and keeps them open.
class Database {
  constructor (url, poolMax) {
    this.pool = new Pool({
      connectionString: url, max: poolMax, idleTimeoutMillis: 0, connectionTimeoutMillis: POOL_WAIT_MS
    })
    // A connection that breaks while nobody uses it; the pool replaces it when one is needed.
    this.pool.on('error', (error) => console.error(`database: ${error.message}`))
    this.cache = null
  }

  async close () {
    await this.pool.end()
  }

  async world () {
    return await readWorld(this.pool, randomId())
  }

  // `count` rows by random ids, which may repeat; each is read by a statement of its own.
  async worlds (count) {
    return await this.#held(async (client) => {
      const worlds = []
      for (let i = 0; i < count; i++) worlds.push(await readWorld(client, randomId()))
      return worlds
    })
  }

  async fortunes () {
    return (await this.pool.query(SELECT_FORTUNES)).rows
  }

  // Gives `count` distinct rows a new random number each and returns them as written.
  async updateWorlds (count) {
    const ids = distinctIds(count)
    return await this.#held(async (client) => {
      const worlds = []
      for (const id of ids) worlds.push(await readWorld(client, id))
      for (const world of worlds) world.randomNumber = otherNumber(world.randomNumber)
      await client.query(UPDATE_WORLDS, [ids, worlds.map((world) => world.randomNumber)])
      return worlds
    })
  }

  // `count` rows by random ids, which may repeat, from memory; the first call reads the table.
  async cachedWorlds (count) {
    this.cache ??= this.#readAll().catch((error) => {
      this.cache = null
      throw error
    })
    const cache = await this.cache
    return Array.from({ length: count }, () => cache.get(randomId()))
  }

  // The first `limit` items with ids above `after`, by id.
  async items (after, limit) {
    return (await this.pool.query(SELECT_ITEMS, [after, limit])).rows
  }

  // Undefined where there is no such item.
  async item (id) {
    return (await this.pool.query(SELECT_ITEM, [id])).rows[0]
  }

  async createItem (name, quantity) {
    return (await this.pool.query(INSERT_ITEM, [name, quantity])).rows[0]
  }

  // The item as it is now; undefined where there is no such item.
  async replaceItem (id, name, quantity) {
    return (await this.pool.query(UPDATE_ITEM, [id, name, quantity])).rows[0]
  }

  // False where there is no such item.
  async deleteItem (id) {
    return (await this.pool.query(DELETE_ITEM, [id])).rowCount === 1
  }

  async sleep (ms) {
    await this.pool.query(SLEEP, [ms])
  }

  // One connection for several statements.
  async #held (work) {
    const client = await this.pool.connect()
    try {
      return await work(client)
    } finally {
      client.release()
    }
  }

  async #readAll () {
    const { rows } = await this.pool.query(SELECT_WORLDS)
    return new Map(rows.map((row) => [row.id, row]))
  }
}

async function readWorld (client, id) {
  return (await client.query(SELECT_WORLD, [id])).rows[0]
}

function randomId () {
  return 1 + Math.floor(Math.random() * WORLDS)
}

// In ascending order.
function distinctIds (count) {
  const ids = new Set()
  while (ids.size < count) ids.add(randomId())
  return [...ids].sort((a, b) => a - b)
}

// A random number from 1 to 10000 that differs from `number`.
function otherNumber (number) {
  const other = 1 + Math.floor(Math.random() * (WORLDS - 1))
  return other + (other >= number ? 1 : 0)
}

module.exports = { Database }
