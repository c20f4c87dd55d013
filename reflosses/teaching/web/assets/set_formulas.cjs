// Sets formulas: a list of {text, display} comes in as JSON, a list of {html} or {error} goes out.
"use strict";
const katex = require(process.argv[2]);
const questions = JSON.parse(require("fs").readFileSync(0, "utf8"));

function set({ text, display }) {
  try {
    return { html: katex.renderToString(text, { displayMode: display, strict: "error", throwOnError: true }) };
  } catch (error) {
    return { error: error.message };
  }
}

process.stdout.write(JSON.stringify(questions.map(set)));
