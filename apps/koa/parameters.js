// Whole numbers from the query string: ASCII digits only, whatever else Number() would take.
'use strict'

const DIGITS = /^[0-9]+$/
const ROWS_MAX = 500

// A count of rows: 1 if missing or no whole number, and otherwise brought into 1 to 500.
function lenient (raw) {
  if (raw === undefined || !DIGITS.test(raw)) return 1
  return Math.min(Math.max(Number(raw), 1), ROWS_MAX)
}

// A whole number from `lowest` to `highest` as `number`, or what is wrong with it as `fault`.
// Digits beyond what a double holds become Infinity, which is beyond every bound.
function strict (raw, highest, lowest) {
  if (raw === undefined) return { fault: 'is missing' }
  if (!DIGITS.test(raw)) return { fault: 'is not a whole number' }
  const number = Number(raw)
  if (number > highest) return { fault: `is more than ${highest}` }
  if (number < lowest) return { fault: `is less than ${lowest}` }
  return { number }
}

module.exports = { lenient, strict }
