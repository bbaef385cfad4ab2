"use strict";
// Words and numbers. What is computed here is only how a figure is written: every figure comes from the page's data.
const data = JSON.parse(document.getElementById("data").textContent);
const root = document.documentElement;

function say(key, slots = {}) {
  const sentences = data.words[root.lang] || data.words.en;
  return (sentences[key] || key).replace(/\{(\w+)\}/g, (all, name) => (name in slots ? slots[name] : all));
}

// The power of ten of the last of `digits` significant digits, as analysis.numbers does it.
function place(value, digits) {
  let exponent = 0;
  for (let again = 0; again < 2; again++) {
    exponent = Math.floor(Math.log10(Math.abs(value)));
    const last = exponent - digits + 1;
    value = last > 0 ? Math.round(value / 10 ** last) * 10 ** last : Number(value.toFixed(-last));
  }
  return exponent - digits + 1;
}

function toPlace(value, at) {
  const digits = Math.max(0, -at), unit = 10 ** Math.max(0, at);
  const rounded = (Math.round(value / unit) * unit).toFixed(0);
  const text = digits ? value.toFixed(digits) : rounded;
  const [whole, part] = text.split(".");
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (part ? "." + part : "");
}

// The place that a half-width justifies, but no finer one than `finest`.
const justified = (half, finest) => Math.max(finest, place(half, half.toExponential(6).startsWith("1") ? 2 : 1));

// An estimate with as many digits as its interval justifies; two without one.
function parts(value, low, high) {
  if (!(high - low > 1e-9 * Math.abs(value))) return [value === 0 ? "0" : toPlace(value, place(value, 2)), "", ""];
  const half = (high - low) / 2;
  const leading = (one) => (one > 0 ? Math.floor(Math.log10(one)) : 99);
  const at = Math.min(justified(half, value === 0 ? -4 : place(value, 4)), leading(value));
  return [toPlace(value, at), toPlace(low, Math.min(at, leading(low))), toPlace(high, at)];
}
