// Huber(delta=0.7, reduction="none"): node huber.js
const fs = require("fs");
const delta = 0.7;
function loss(y, yhat) {
  const a = Math.abs(yhat - y);
  return a <= delta ? (a * a) / 2 : delta * (a - delta / 2);
}
const slope = (y, yhat) => Math.min(Math.max(yhat - y, -delta), delta);
// ---- reflosses asks, and this program answers ----
let got = Buffer.alloc(0), chunk = Buffer.alloc(1 << 20);
function read(ready) {  // until there is enough
  while (!ready()) {
    const n = fs.readSync(0, chunk);
    if (n === 0) process.exit();
    got = Buffer.concat([got, chunk.subarray(0, n)]);
  }
}
function take(length) {  // a copy starts where an array of numbers may start
  read(() => got.length >= length);
  const taken = Uint8Array.from(got.subarray(0, length));
  got = got.subarray(length);
  return taken;
}
function line() {
  read(() => got.includes("\n"));
  return JSON.parse(Buffer.from(take(got.indexOf("\n") + 1)).toString());
}
const Numbers = line().dtype === "float32" ? Float32Array : Float64Array;
const answer = (data) => fs.writeSync(1, data);
for (answer('{"reflosses": 1, "binary": true}\n'); ; ) {
  const call = line(), n = call.counts?.[0] * Numbers.BYTES_PER_ELEMENT;  // bytes of y, and of yhat
  const [y, yhat] = call.counts
    ? [new Numbers(take(n).buffer), new Numbers(take(n).buffer)]
    : [Numbers.from(call.y), Numbers.from(call.yhat)];  // the texts "Infinity" and "NaN" become numbers too
  const value = yhat.map((z, i) => loss(y[i], z)), gradient = yhat.map((z, i) => slope(y[i], z));
  if (call.counts) answer(`{"counts": [${call.counts[0]}, ${call.counts[0]}]}\n`), answer(value), answer(gradient);
  else answer(JSON.stringify({ value: Array.from(value, String), gradient: Array.from(gradient, String) }) + "\n");
}
