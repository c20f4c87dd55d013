// Runs the vectors of BinaryCrossEntropy on a JavaScript function.
// node consumer.js reflosses/data/vectors/binary_cross_entropy.json
const fs = require("fs");

const wrong = process.argv.length > 3; // a second argument: probabilities are clipped

function binaryCrossEntropy(y, p) { // the value, and its gradient
  if (wrong) p = Math.min(Math.max(p, 1e-7), 1 - 1e-7);
  if (Number.isNaN(p)) return [p, p];
  const value = (y > 0 ? -y * Math.log(p) : 0) + (y < 1 ? -(1 - y) * Math.log1p(-p) : 0);
  return [value, (y < 1 ? (1 - y) / (1 - p) : 0) - (y > 0 ? y / p : 0)];
}

const numbers = (text) => (text ? text.split(" ").map(Number) : []);

const isRight = (got, want, tolerance) =>
  got === want || (Number.isNaN(got) && Number.isNaN(want)) || Math.abs(got - want) <= tolerance;

const file = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
let tests = 0;
let failed = 0;
for (const group of file.groups) {
  if (group.parameters.clamp !== null || group.reduction !== "none" || group.format !== "float64") continue;
  for (const test of group.tests) {
    if (test.flags.includes("MustRefuse")) continue;
    const y = numbers(test.y);
    const p = numbers(test.yhat);
    const weight = "weight" in test ? numbers(test.weight) : y.map(() => 1);
    const bad = ["value", "gradient"].some((what, k) => {
      const tolerance = numbers(test[`${what}_tolerance`]);
      return numbers(test[what]).some((want, i) => { // no number: it is not asked
        const got = weight[i] === 0 ? 0 : weight[i] * binaryCrossEntropy(y[i], p[i])[k];
        return !isRight(got, want, tolerance[i]);
      });
    });
    if (bad) console.log(`FAIL ${test.id}`);
    tests += 1;
    failed += bad;
  }
}
console.log(`${tests} tests, ${failed} failed`);
process.exit(failed > 0 || tests === 0 ? 1 : 0);
